/** Reading columns out of SQLite rows with their types checked: the schema is STRICT, so a surprise is our own fault. */

export type Row = Record<string, unknown>;

export function asText(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a text column holds something else");
  return value;
}

export function asTextOrNull(value: unknown): string | null {
  return value === null ? null : asText(value);
}

export function asInteger(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("an integer column holds something else");
  return value;
}

/** A row of a statement that returns arrays. */
export function asRow(row: unknown): readonly unknown[] {
  if (!Array.isArray(row)) throw new TypeError("the row is not an array");
  return row;
}

export const text = (row: Row, column: string): string => asText(row[column]);
export const textOrNull = (row: Row, column: string): string | null => asTextOrNull(row[column]);
export const integer = (row: Row, column: string): number => asInteger(row[column]);
export const integerOrNull = (row: Row, column: string): number | null =>
  row[column] === null ? null : asInteger(row[column]);

/** A column with a closed set of values. */
export function oneOf<const T extends string>(row: Row, column: string, allowed: readonly T[]): T {
  const value = text(row, column);
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new TypeError(`column ${column} holds an unknown value`);
  return found;
}

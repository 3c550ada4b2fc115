/**
 * Cuts what is sent into pieces that every server takes: a stock one reads no more than 2 MiB of a batch, whatever it says
 * (F12), and each event is a commit of its own there. Pure.
 */

export const PIECE_MAX_ITEMS = 500;
export const PIECE_MAX_BYTES = 1_900_000;

/** In order, none empty. What is larger than a piece by itself goes alone, for the server to refuse. */
export function pieces<T>(items: readonly T[]): readonly (readonly T[])[] {
  const cut: T[][] = [];
  let room = 0;
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1;
    const piece = cut.at(-1);
    if (piece === undefined || piece.length === PIECE_MAX_ITEMS || bytes > room) {
      cut.push([item]);
      room = PIECE_MAX_BYTES - bytes;
    } else {
      piece.push(item);
      room -= bytes;
    }
  }
  return cut;
}

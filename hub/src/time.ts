/** Times as the wire writes them. */

/** The second that was written last: events of one page mostly share it, and building it costs more than the rest. */
let knownSecond = Number.NaN;
let knownText = "";

/** ISO-8601 with the offset written out: Python before 3.11 does not read the `Z`. */
export function isoTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== knownSecond) {
    knownText = new Date(second * 1000).toISOString().slice(0, 20);
    knownSecond = second;
  }
  return `${knownText}${String(epochMs - second * 1000).padStart(3, "0")}+00:00`;
}

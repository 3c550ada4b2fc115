/** Reads the outside of an SQLite write-ahead log (sqlite.org/fileformat2.html, section 4). */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** Where each transaction ends, in bytes; the last one is the end of what was written as a whole. */
export function commitEnds(wal: Buffer): readonly number[] {
  if (wal.length < HEADER_BYTES) return [];
  const frameBytes = FRAME_HEADER_BYTES + wal.readUInt32BE(8);
  const salt = wal.subarray(16, 24);
  const ends: number[] = [];
  for (let at = HEADER_BYTES; at + frameBytes <= wal.length; at += frameBytes) {
    // Frames of an earlier round of the log carry another salt.
    if (!wal.subarray(at + 8, at + 16).equals(salt)) break;
    const isCommit = wal.readUInt32BE(at + 4) > 0;
    if (isCommit) ends.push(at + frameBytes);
  }
  return ends;
}

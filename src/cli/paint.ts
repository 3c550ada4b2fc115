/** Owns colour: what it means, and that it is never the only sign. Whether there is any is the terminal's to say. */

import { styleText } from "node:util";

export type Tone = "good" | "warning" | "bad" | "muted" | "title";

/** Colours a text, or leaves it as it is. */
export type Paint = (tone: Tone, text: string) => string;

const STYLES = { good: "green", warning: "yellow", bad: "red", muted: "dim", title: "bold" } as const;

export const plain: Paint = (_tone, text) => text;

/** Colour as far as `stream` takes it: a terminal, and neither `NO_COLOR` nor a dumb one; Node decides. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (tone, text) => styleText(STYLES[tone], text, { stream });
}

/**
 * The shapes of known kinds of secrets. No expression may start inside a run that another start has already passed over, so
 * that a long text costs no more than its length: hence the look-behinds and the upper bounds.
 */

interface Shape {
  readonly kind: string;
  readonly pattern: RegExp;
  /** Random text, not words: it holds so long a run of letters and digits mixed. */
  readonly run?: number;
}

const SHAPES: readonly Shape[] = [
  {
    kind: "an AgenTrux code or token",
    pattern: /(?<![A-Za-z0-9_])(?:ac|act|atk|inv|gtk|aks|aat|art)_[A-Za-z0-9_-]{32,}/g,
    run: 8,
  },
  { kind: "a JSON web token", pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g },
  { kind: "a private key", pattern: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/g },
  { kind: "a private key", pattern: /(?<![A-Z0-9-])AGE-SECRET-KEY-1[A-Z0-9]{20,}/g },
  { kind: "an AWS key id", pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])/g },
  { kind: "a GitHub token", pattern: /(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})/g },
  { kind: "a GitLab token", pattern: /(?<![A-Za-z0-9_-])gl(?:pat|ptt|rt|dt|soat)-[A-Za-z0-9_-]{20,}/g, run: 8 },
  { kind: "an API key (sk-)", pattern: /(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{20,}/g, run: 16 },
  { kind: "a Stripe key", pattern: /(?<![A-Za-z0-9_])(?:sk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{24,}/g, run: 16 },
  { kind: "a Slack token", pattern: /(?<![A-Za-z0-9_-])xox[abeoprs]-[A-Za-z0-9-]{10,}/g, run: 6 },
  { kind: "a Slack token", pattern: /(?<![A-Za-z0-9_-])xapp-\d-[A-Za-z0-9-]{20,}/g, run: 8 },
  { kind: "a Slack webhook", pattern: /hooks\.slack\.com\/(?:services|workflows)\/T[A-Z0-9]{6,}\//g },
  { kind: "a Google key", pattern: /(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}/g },
  { kind: "a Google token", pattern: /(?<![A-Za-z0-9_-])(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}/g, run: 6 },
  { kind: "an npm token", pattern: /(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{36}/g },
  { kind: "a PyPI token", pattern: /(?<![A-Za-z0-9_-])pypi-AgEI[A-Za-z0-9_-]{20,}/g },
  { kind: "a Hugging Face token", pattern: /(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{30,}/g },
  { kind: "a Telegram bot token", pattern: /(?<![A-Za-z0-9:])\d{8,10}:AA[A-Za-z0-9_-]{33}/g },
  { kind: "a SendGrid key", pattern: /(?<![A-Za-z0-9_.-])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}/g },
  { kind: "a DigitalOcean token", pattern: /(?<![A-Za-z0-9_])do[opr]_v1_[a-f0-9]{64}/g },
  { kind: "a bearer token", pattern: /(?<![A-Za-z])Bearer\s{1,8}[A-Za-z0-9._~+/=-]{16,}/gi, run: 8 },
  { kind: "a basic credential", pattern: /(?<![A-Za-z])Authorization:\s{0,8}Basic\s{1,8}[A-Za-z0-9+/]{8,}/gi },
  { kind: "a password in an address", pattern: /(?<=:\/\/)[^\s/:@?#"'<>]{0,100}:(?![*x<$]+@)[^\s/@?#"'<>]{3,200}@/g },
  {
    kind: "a signed address",
    pattern: /[?&](?:X-Amz-Signature|X-Goog-Signature|sig)=[A-Za-z0-9%+/=_-]{20,}/gi,
    run: 8,
  },
  {
    kind: "a token in an address",
    pattern: /[?&](?:access_token|api_?key|client_secret)=[A-Za-z0-9%+/=._-]{16,}/gi,
    run: 8,
  },
];

/** What kind of secret stands in a text; undefined when none of a known shape does. */
export function secretShape(text: string): string | undefined {
  for (const { kind, pattern, run } of SHAPES) {
    for (const [found] of text.matchAll(pattern)) if (run === undefined || isMixed(found, run)) return kind;
  }
  return undefined;
}

/** Words have no digits in them; versions and numbers are short, and dates have no letters but one. */
function isMixed(text: string, run: number): boolean {
  const parts = text.match(/[A-Za-z0-9]+/g) ?? [];
  return parts.some((part) => part.length >= run && /\d/.test(part) && /[A-Za-z]{2}|[a-z]\d[a-z]/i.test(part));
}

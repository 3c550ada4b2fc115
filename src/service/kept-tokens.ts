/**
 * Owns access tokens that outlive a process. A command that runs for a second would otherwise spend one of the ten calls
 * an hour to `/auth/token` each time. The refresh token is never kept: it is single-use, and two processes that hold one
 * end each other's session.
 */

import type { Issued, TokenEndpoints } from "./token-endpoints.ts";

export interface KeptToken {
  readonly accessToken: string;
  /** What is left of its life. */
  readonly lifetimeMs: number;
}

/** Where a token is kept between processes. */
export interface TokenKeeper {
  load(): Promise<KeptToken | undefined>;
  save(token: KeptToken): Promise<void>;
}

/** `endpoints` whose first token is the kept one, where there is one. A token that is refused is not asked for again. */
export function withKeptTokens(endpoints: TokenEndpoints, keeper: TokenKeeper): TokenEndpoints {
  let asked = false;
  const keep = async (issued: Issued): Promise<Issued> => {
    const { accessToken, lifetimeMs } = issued;
    // Without the copy the next process asks for a token of its own, and nothing else is lost.
    await keeper.save({ accessToken, lifetimeMs }).catch(() => {});
    return issued;
  };
  return {
    ...endpoints,
    async bySecret(signal) {
      const kept = asked ? undefined : await keeper.load().catch(() => undefined);
      asked = true;
      return kept ?? (await keep(await endpoints.bySecret(signal)));
    },
    byRefresh: async (refreshToken, signal) => keep(await endpoints.byRefresh(refreshToken, signal)),
  };
}

import { ProxyError } from "../errors.ts"
import { GuardedPrelude } from "../starttls/guarded.ts"
import type { Prelude } from "../starttls/prelude.ts"

/** Who hears of a STARTTLS protocol that fails. */
interface PreludeHost {
  connectionError(error: Error): void
}

/** What a STARTTLS protocol makes for one peer of a connection: it is others' code, and may throw or answer nonsense. */
export function guardPrelude(host: PreludeHost, make: () => Prelude): GuardedPrelude {
  return new GuardedPrelude(make, (cause) => {
    const message = "The prelude of a STARTTLS protocol threw or answered nonsense; it must not"
    host.connectionError(new ProxyError("ERR_TLSROUTE_STARTTLS", message, { cause }))
  })
}

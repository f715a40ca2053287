import type { StarttlsProtocol } from "./prelude.ts"

/** How connections begin where they begin in plain text. */
export interface StarttlsPolicy {
  /** What clients and backends speak before TLS: one of {@link STARTTLS_PROTOCOLS}, or a program's own. */
  readonly protocol: StarttlsProtocol
  /** Name that clients are greeted with, and backends told. */
  readonly greetingName: string
}

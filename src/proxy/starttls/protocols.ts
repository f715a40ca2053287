import { imap } from "./imap.ts"
import { ldap } from "./ldap.ts"
import { pop3 } from "./pop3.ts"
import { postgres } from "./postgres.ts"
import type { StarttlsProtocol } from "./prelude.ts"
import { smtp } from "./smtp.ts"
import { xmpp, xmppServer } from "./xmpp.ts"

/** Protocols that come with the package, by the name that the policy `starttls` gives them. */
export const STARTTLS_PROTOCOLS = {
  postgres,
  smtp,
  imap,
  pop3,
  ldap,
  xmpp,
  "xmpp-server": xmppServer,
} as const satisfies Readonly<Record<string, StarttlsProtocol>>

/** Name of a protocol that comes with the package. */
export type StarttlsName = keyof typeof STARTTLS_PROTOCOLS

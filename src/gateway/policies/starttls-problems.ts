import type { ListenerPolicy } from "../../proxy/policy.ts"
import type { StarttlsName } from "../../proxy/starttls/protocols.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import type { TableListener } from "../../routing/route-table.ts"
import { annotationName } from "./fields.ts"

/** Ports on which clients begin in plain text (IANA's service names), and what they speak then. */
const STARTTLS_PORTS: ReadonlyMap<number, StarttlsName> = new Map([
  [25, "smtp"],
  [110, "pop3"],
  [143, "imap"],
  [389, "ldap"],
  [587, "smtp"],
  [5222, "xmpp"],
  [5269, "xmpp-server"],
  [5432, "postgres"],
])

/** Ports on which clients begin with TLS, of protocols whose servers else speak first (RFC 8314 section 3). */
const IMPLICIT_TLS_PORTS: ReadonlySet<number> = new Set([465, 993, 995])

/**
 * What is hardly meant about STARTTLS on a socket.
 *
 * @param port - of the socket
 * @param listener - whose policies are in force on it
 * @param policy - those
 */
export function starttlsProblems(
  port: number,
  { parent, name }: TableListener,
  { starttls, proxyProtocol }: Pick<ListenerPolicy, "starttls" | "proxyProtocol">,
): readonly ResourceProblem[] {
  const warning = { severity: "warning", object: parent, path: "metadata.annotations" } as const
  const usual = STARTTLS_PORTS.get(port)
  if (starttls === undefined && usual !== undefined) {
    const message =
      `clients of port ${port} usually speak ${usual} before TLS, and are refused on listener ${name}: ` +
      `set ${annotationName("starttls")}: ${usual} if yours do`
    return [{ ...warning, code: "StarttlsExpected", message }]
  }
  if (starttls?.protocol.greets === true && IMPLICIT_TLS_PORTS.has(port)) {
    const message =
      `clients of port ${port} begin with TLS, and are refused on listener ${name}, which greets them in ` +
      `${starttls.protocol.name} first: set ${name}.${annotationName("starttls")}: off`
    return [{ ...warning, code: "StarttlsUnexpected", message }]
  }
  if (starttls?.protocol.greets === true && proxyProtocol?.mode === "optional") {
    const message =
      `a trusted proxy that sends no PROXY protocol header waits in vain for the greeting of listener ${name}, ` +
      `which waits for the header: set ${annotationName("acceptProxyProtocol")} to required or off`
    return [{ ...warning, code: "GreetingWaits", message }]
  }
  return []
}

import type { ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import type { TableListener } from "../../routing/route-table.ts"
import { annotationName } from "./fields.ts"
import type { PolicyLayer } from "./layer.ts"

/** Policies that say nothing of datagrams, and the values that ask for nothing. */
const NEUTRAL = {
  bandwidth: Number.POSITIVE_INFINITY,
  halfClosedTimeout: undefined,
  acceptProxyProtocol: "off",
  sendProxyProtocol: "off",
} as const satisfies { readonly [Key in keyof PolicyLayer]: unknown }

/** Ports of protocols that are spoken over TCP alone (IANA's service names), most of which begin with TLS. */
const TCP_ONLY: ReadonlyMap<number, string> = new Map([
  [25, "SMTP"],
  [110, "POP3"],
  [143, "IMAP"],
  [389, "LDAP"],
  [465, "SMTP"],
  [587, "SMTP"],
  [636, "LDAP"],
  [993, "IMAP"],
  [995, "POP3"],
  [5222, "XMPP"],
  [5223, "XMPP"],
  [5269, "XMPP"],
  [5432, "PostgreSQL"],
  [6443, "the API of Kubernetes"],
  [8883, "MQTT"],
])

const KEYS = Object.keys(NEUTRAL) as readonly (keyof typeof NEUTRAL)[]

/**
 * What is at odds with QUIC among the policies of a listener that is to take it.
 *
 * @param listener - which is to take it
 * @param layers - policies in force on it, and for the gateway as a whole
 * @param isTaken - whether it does: not where connections must begin with something else
 */
export function quicListenerProblems(
  listener: TableListener,
  layers: readonly PolicyLayer[],
  isTaken: boolean,
): readonly ResourceProblem[] {
  const { parent, name } = listener
  if (!isTaken) {
    const message =
      `listener ${name} takes no QUIC: its connections must begin with a PROXY protocol header or STARTTLS, which ` +
      "datagrams cannot; turn off one or the other"
    return [{ severity: "error", code: "QuicNotTaken", object: parent, path: "metadata.annotations", message }]
  }
  const meant = TCP_ONLY.get(listener.port)
  const unspoken =
    meant === undefined
      ? []
      : [
          problem(
            parent,
            `listener ${name} takes QUIC for nobody: clients of port ${listener.port} speak ${meant}, over TCP`,
          ),
        ]
  return [
    ...unspoken,
    ...KEYS.filter((key) => layers.some((layer) => asks(layer, key))).map((key) =>
      meaningless(parent, key, `connections over QUIC of listener ${name}`),
    ),
  ]
}

/** The same of an object where no listener takes QUIC. */
export function idleQuicProblems(object: ObjectRef, { quicIdleTimeout }: PolicyLayer): readonly ResourceProblem[] {
  if (quicIdleTimeout === undefined) return []
  const message = `${annotationName("quicIdleTimeout")} has no effect: no listener takes QUIC, see ${annotationName("quic")}`
  return [problem(object, message)]
}

/** The same of a route or backend, when any listener takes QUIC. */
export function quicObjectProblems(object: ObjectRef, layer: PolicyLayer): readonly ResourceProblem[] {
  return KEYS.filter((key) => asks(layer, key)).map((key) => meaningless(object, key, "connections over QUIC"))
}

function asks(layer: PolicyLayer, key: keyof typeof NEUTRAL): boolean {
  return layer[key] !== undefined && layer[key] !== NEUTRAL[key]
}

function meaningless(object: ObjectRef, key: keyof typeof NEUTRAL, where: string): ResourceProblem {
  return problem(object, `${annotationName(key)} has no meaning for datagrams: ${where} do without it`)
}

function problem(object: ObjectRef, message: string): ResourceProblem {
  return { severity: "warning", code: "NoMeaningForQuic", object, path: "metadata.annotations", message }
}

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
  return KEYS.filter((key) => layers.some((layer) => asks(layer, key))).map((key) =>
    meaningless(parent, key, `connections over QUIC of listener ${name}`),
  )
}

/** The same of a route or backend, when any listener takes QUIC. */
export function quicObjectProblems(object: ObjectRef, layer: PolicyLayer): readonly ResourceProblem[] {
  return KEYS.filter((key) => asks(layer, key)).map((key) => meaningless(object, key, "connections over QUIC"))
}

function asks(layer: PolicyLayer, key: keyof typeof NEUTRAL): boolean {
  return layer[key] !== undefined && layer[key] !== NEUTRAL[key]
}

function meaningless(object: ObjectRef, key: keyof typeof NEUTRAL, where: string): ResourceProblem {
  return {
    severity: "warning",
    code: "NoMeaningForQuic",
    object,
    path: "metadata.annotations",
    message: `${annotationName(key)} has no meaning for datagrams: ${where} do without it`,
  }
}

import { describe } from "../../primitives/describe.ts"
import { objectOf } from "../../primitives/json.ts"
import { type OneOf, wordOf } from "../../primitives/one-of.ts"
import {
  POLICY_KEYS,
  type PolicyInput,
  type PolicyKey,
  type PolicyKeyAt,
  type PolicyLevel,
  type PolicyValues,
} from "./fields.ts"
import { assign, closestKey, EMPTY_LAYER, fieldOf, type MutablePolicyLayer, type PolicyLayer } from "./layer.ts"

/**
 * Policies as a program writes them: numbers (times in milliseconds, sizes in bytes, shares from 0 to 1), or the text that
 * an annotation would have. Words are text for the compiler, as they are in a variable or a JSON file; they are looked at
 * when the gateway is made.
 */
export type PolicySettings<Level extends PolicyLevel = "gateway"> = {
  // Mapped over what is picked, editors tell of each policy what PolicyValues does.
  readonly [Key in keyof Pick<PolicyValues, PolicyKeyAt<Level>>]?: PolicyInput<PolicyValues[Key]> | undefined
}

/**
 * The `policies` option: settings for everything the gateway does, and for single objects by name, which
 * have the last word over the annotations of those objects.
 *
 * @example
 * ```ts
 * const policies: PolicyOptions = {
 *   helloTimeout: "5s",
 *   maxConnectionsPerClient: 200,
 *   listeners: { "infra/public": { acceptProxyProtocol: "required", trustedProxies: ["10.0.0.0/8"] } },
 *   routes: { "shop/checkout": { idleTimeout: "10m" } },
 *   backends: { "shop/checkout": { sendProxyProtocol: "v2", healthCheck: "tls" } },
 * }
 * ```
 */
export interface PolicyOptions extends PolicySettings {
  /** By `namespace/name` of a Gateway or ListenerSet, or by `namespace/name/listener`. */
  readonly listeners?: Readonly<Record<string, PolicySettings<"listener">>> | undefined
  /** By `namespace/name` of a TLSRoute. */
  readonly routes?: Readonly<Record<string, PolicySettings<"route">>> | undefined
  /** By `namespace/name` of a Service. */
  readonly backends?: Readonly<Record<string, PolicySettings<"backend">>> | undefined
  /** Whether `tlsroute.dev/` annotations count. @defaultValue "apply" */
  readonly annotations?: OneOf<"apply" | "ignore"> | undefined
}

/** A setting in the `policies` option that cannot be used. */
export class PolicyError extends Error {
  override readonly name = "PolicyError"
  /** Stable code. */
  readonly code = "ERR_TLSROUTE_POLICY"
}

/** Options, read. */
export interface ReadPolicyOptions {
  /** In force everywhere. */
  readonly gateway: PolicyLayer
  /** By `namespace/name` or `namespace/name/listener`. */
  readonly listeners: ReadonlyMap<string, PolicyLayer>
  /** By `namespace/name`. */
  readonly routes: ReadonlyMap<string, PolicyLayer>
  /** By `namespace/name`. */
  readonly backends: ReadonlyMap<string, PolicyLayer>
  /** Whether annotations count. */
  readonly annotations: "apply" | "ignore"
}

const GROUPS = { listeners: "listener", routes: "route", backends: "backend" } as const

/** Reads the option. @throws PolicyError naming the setting at fault: a program should not start on it. */
export function readPolicyOptions(options: PolicyOptions = {}): ReadPolicyOptions {
  const { listeners, routes, backends, annotations = "apply", ...settings } = options
  if (annotations !== "apply" && annotations !== "ignore")
    throw invalid("policies.annotations", `expected "apply" or "ignore", got ${JSON.stringify(annotations)}`)
  return {
    gateway: readSettings(settings, "gateway", "policies"),
    listeners: readGroup(listeners, "listeners"),
    routes: readGroup(routes, "routes"),
    backends: readGroup(backends, "backends"),
    annotations: wordOf<"apply" | "ignore">(annotations),
  }
}

function readGroup(
  group: Readonly<Record<string, object | undefined>> | undefined,
  name: keyof typeof GROUPS,
): ReadonlyMap<string, PolicyLayer> {
  if (group !== undefined && objectOf(group) === undefined)
    throw invalid(`policies.${name}`, "expected an object by namespace/name")
  const segments = name === "listeners" ? /^[^/]+\/[^/]+(\/[^/]+)?$/ : /^[^/]+\/[^/]+$/
  return new Map(
    Object.entries(group ?? {}).map(([key, settings]) => {
      const path = `policies.${name}[${JSON.stringify(key)}]`
      if (!segments.test(key)) throw invalid(path, `expected a key like "namespace/name"`)
      if (settings === undefined) return [key, EMPTY_LAYER]
      if (objectOf(settings) === undefined)
        throw invalid(path, 'expected an object of policies, such as { idleTimeout: "10s" }')
      return [key, readSettings(settings, GROUPS[name], path)]
    }),
  )
}

function readSettings(settings: object, level: PolicyLevel, path: string): PolicyLayer {
  const layer: MutablePolicyLayer = {}
  for (const [name, input] of Object.entries(settings)) {
    if (input === undefined) continue
    const key = POLICY_KEYS.find((each) => each === name)
    if (key === undefined) {
      const close = closestKey(name, (each) => each)
      throw invalid(
        `${path}.${name}`,
        close === undefined ? "no such policy" : `no such policy; did you mean ${close}?`,
      )
    }
    const { levels } = fieldOf(key)
    if (level !== "gateway" && !levels.includes(level)) {
      throw invalid(`${path}.${name}`, `cannot be set here, only for the gateway as a whole or a ${levels.join(", ")}`)
    }
    readInto(layer, key, input, `${path}.${name}`)
  }
  return Object.keys(layer).length === 0 ? EMPTY_LAYER : layer
}

function readInto<Key extends PolicyKey>(layer: MutablePolicyLayer, key: Key, input: unknown, path: string): void {
  try {
    assign(layer, key, fieldOf(key).type.accept(input as PolicyInput<PolicyValues[Key]>))
  } catch (error) {
    throw invalid(path, describe(error))
  }
}

function invalid(path: string, message: string): PolicyError {
  return new PolicyError(`${path}: ${message}`)
}

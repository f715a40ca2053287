import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { isIP } from "node:net"
import { join } from "node:path"
import { CelScalar, celEnv, celFunc, parse as parseCel, plan } from "@bufbuild/cel"
import { strings } from "@bufbuild/cel/ext"
import { Ajv, type ValidateFunction } from "ajv"
import { parse } from "yaml"

/**
 * Reads CustomResourceDefinitions and does with them what the API server does: takes out nulls, fills in defaults,
 * validates against the OpenAPI schema, evaluates the CEL rules. The second opinion in tests of validation.
 */

/** The part of OpenAPI v3 that CustomResourceDefinitions use. */
export interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly "x-kubernetes-validations"?: readonly { readonly rule: string; readonly message: string }[]
}

/** One rule of `x-kubernetes-validations`. */
export interface CelRule {
  /** Field that carries the rule, for example `spec.rules[].backendRefs[]`. */
  readonly field: string
  readonly digest: string
  readonly message: string
  /** True for rules that compare an object with what it was. */
  readonly transition: boolean
  /** True when the rule holds for a value of the field. */
  readonly holds: (self: unknown) => boolean
}

/** One version of one kind in one channel. */
export interface Definition {
  /** Release of the Gateway API, for example `v1.7.0`. */
  readonly release: string
  readonly channel: "experimental" | "standard"
  readonly kind: string
  readonly version: string
  readonly served: boolean
  readonly deprecated: boolean
  readonly schema: Schema
  readonly rules: readonly CelRule[]
}

/** Every version of every kind in a directory with one folder per channel. */
export function readDefinitions(directory: string): readonly Definition[] {
  return (["experimental", "standard"] as const).flatMap((channel) =>
    readdirSync(join(directory, channel)).flatMap((file) => {
      const { metadata, spec } = parse(readFileSync(join(directory, channel, file), "utf8")) as CustomResourceDefinition
      return spec.versions.map(({ name, served, deprecated, schema: { openAPIV3Schema } }) => {
        const schema = withoutOpaque(openAPIV3Schema, "")
        return {
          release: metadata.annotations[BUNDLE_VERSION] ?? "",
          channel,
          kind: spec.names.kind,
          version: name,
          served,
          deprecated: deprecated ?? false,
          schema,
          rules: [...rulesOf(schema, "")],
        }
      })
    }),
  )
}

const BUNDLE_VERSION = "gateway.networking.k8s.io/bundle-version"

/** Fields that validation takes as they are: what HTTP listeners do with requests, which nothing here serves. */
const OPAQUE = new Set(["spec.listeners[].filters"])

function withoutOpaque(schema: Schema, field: string): Schema {
  if (OPAQUE.has(field)) return {}
  const { properties, items } = schema
  const below = (name: string): string => (field === "" ? name : `${field}.${name}`)
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, withoutOpaque(property, below(name))]),
      ),
    }),
    ...(items && { items: withoutOpaque(items, `${field}[]`) }),
  }
}

interface CustomResourceDefinition {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
  readonly spec: {
    readonly names: { readonly kind: string }
    readonly versions: readonly {
      readonly name: string
      readonly served: boolean
      readonly deprecated?: boolean
      readonly schema: { readonly openAPIV3Schema: Schema }
    }[]
  }
}

function* rulesOf(schema: Schema, field: string): Generator<CelRule> {
  for (const { rule, message } of schema["x-kubernetes-validations"] ?? []) {
    const transition = rule.includes("oldSelf")
    const evaluate = plan(CEL, parseCel(rule.replaceAll(FORMAT_CALL, "isDNS1123Subdomain($1)")))
    const digest = createHash("sha256").update(rule).digest("hex").slice(0, 12)
    // An evaluation that fails, for a field that is not there, is a rule that does not hold.
    yield { field, digest, message, transition, holds: (self) => evaluate({ self: toCel(self) }) === true }
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* rulesOf(property, field === "" ? name : `${field}.${name}`)
  }
  if (schema.items) yield* rulesOf(schema.items, `${field}[]`)
}

/** The Kubernetes library's `isIP`: no leading zeros, no zones, no IPv4 written as IPv6. */
const celIsIP = celFunc(
  "isIP",
  [CelScalar.STRING],
  CelScalar.BOOL,
  (text) => isIP(text) !== 0 && !text.includes("%") && !text.toLowerCase().startsWith("::ffff:"),
)
/** The Kubernetes library's named format: what it is called on is an object that no other rule asks for. */
const celIsSubdomain = celFunc("isDNS1123Subdomain", [CelScalar.STRING], CelScalar.BOOL, (text) => {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text)
})
/** `!format.dns1123Subdomain().validate(x).hasValue()`, which has a value where there is something to object to. */
const FORMAT_CALL = /!format\.dns1123Subdomain\(\)\.validate\((self\.split\('\/'\)\[0\])\)\.hasValue\(\)/g
const CEL = celEnv({ funcs: [...strings, celIsIP, celIsSubdomain] })

type CelValue = string | boolean | bigint | number | null | CelValue[] | Map<string, CelValue>

function toCel(value: unknown): CelValue {
  if (Array.isArray(value)) return value.map(toCel)
  // What is opaque holds numbers of every sort.
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value
  if (typeof value !== "object" || value === null) return value as string | boolean | null
  // Kubernetes escapes names that CEL reserves; rules of v1.7 select them plainly, which CEL allows.
  return new Map(
    Object.entries(value).flatMap(([key, item]): [string, CelValue][] => {
      const plain: [string, CelValue] = [key, toCel(item)]
      return key === "namespace" ? [plain, ["__namespace__", plain[1]]] : [plain]
    }),
  )
}

const DATE_TIME = /^(\d{4}-\d\d-\d\d)t([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(z|[+-]\d\d:\d\d)$/i

const ajv = new Ajv({ strict: false, allErrors: false, logger: false })
ajv.addFormat("ipv4", (text: string) => isIP(text) !== 0 && text.includes("."))
ajv.addFormat("ipv6", (text: string) => isIP(text) === 6 && !text.includes("%"))
ajv.addFormat("int32", { type: "number", validate: (value: number) => Math.abs(value + 0.5) < 2 ** 31 })
ajv.addFormat("int64", { type: "number", validate: (value: number) => value >= -(2 ** 63) && value < 2 ** 63 })
ajv.addFormat("date-time", (text: string) => {
  const date = DATE_TIME.exec(text)?.[1]
  return date !== undefined && new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date) === true
})
ajv.addKeyword({
  keyword: "x-kubernetes-list-map-keys",
  type: "array",
  validate: (keys: readonly string[], items: readonly Readonly<Record<string, unknown>>[]) =>
    new Set(items.map((item) => JSON.stringify(keys.map((key) => item[key])))).size === items.length,
})

/** What the API server makes of an object. */
export interface Verdict {
  readonly valid: boolean
  /** Where the schema or a rule is broken, for messages of failed tests. */
  readonly reason: string
  /** The object with nulls taken out and defaults filled in. */
  readonly admitted: unknown
  /** Paths of fields that the schema does not have. */
  readonly unknown: readonly string[]
}

/** Judges objects by one definition. */
export function judge({ schema, rules }: Definition): (object: unknown) => Verdict {
  const structure: ValidateFunction = ajv.compile(schema)
  return (object) => {
    const admitted = fill(takeOutNulls(structuredClone(object), schema), schema)
    const unknown = [...unknownFields(admitted, schema, "")]
    if (!structure(admitted)) return { valid: false, reason: ajv.errorsText(structure.errors), admitted, unknown }
    for (const rule of rules) {
      if (rule.transition) continue
      const broken = valuesAt(admitted, rule.field).some((self) => !rule.holds(self))
      if (broken) return { valid: false, reason: `${rule.field}: ${rule.message}`, admitted, unknown }
    }
    return { valid: true, reason: "", admitted, unknown }
  }
}

type JsonObject = Record<string, unknown>

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

function takeOutNulls(value: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(value)) for (const item of value) takeOutNulls(item, schema?.items)
  if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      const property = propertyOf(schema, key)
      if (item === null && property !== undefined) delete value[key]
      else takeOutNulls(item, property)
    }
  }
  return value
}

function fill(value: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(value)) for (const item of value) fill(item, schema?.items)
  if (isObject(value)) {
    for (const [name, property] of Object.entries(schema?.properties ?? {})) {
      if (property.default !== undefined) value[name] ??= structuredClone(property.default)
    }
    for (const [key, item] of Object.entries(value)) fill(item, propertyOf(schema, key))
  }
  return value
}

function* unknownFields(value: unknown, schema: Schema, path: string): Generator<string> {
  if (Array.isArray(value) && schema.items) {
    for (const [index, item] of value.entries()) yield* unknownFields(item, schema.items, `${path}[${index}]`)
  }
  if (!isObject(value) || !schema.properties) return
  for (const [key, item] of Object.entries(value)) {
    const property = propertyOf(schema, key)
    const below = path === "" ? key : `${path}.${key}`
    if (property === undefined) yield below
    else yield* unknownFields(item, property, below)
  }
}

function propertyOf(schema: Schema | undefined, key: string): Schema | undefined {
  const properties = schema?.properties ?? {}
  return Object.hasOwn(properties, key) ? properties[key] : schema?.additionalProperties
}

/** Every value at a field such as `spec.rules[].backendRefs[]`. */
export function valuesAt(object: unknown, field: string): readonly unknown[] {
  let values: readonly unknown[] = [object]
  for (const step of field.match(/[^.[\]]+|\[\]/g) ?? []) {
    values = values.flatMap((value) => {
      if (step === "[]") return value as readonly unknown[]
      const item = (value as JsonObject)[step]
      return item === undefined ? [] : [item]
    })
  }
  return values
}

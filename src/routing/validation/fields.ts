import { isIPv4 } from "../../primitives/ip-address.ts"
import { CONTROLLER_NAME, DOMAIN_PATH, LABEL, SUBDOMAIN } from "../controller-name.ts"
import { hostnameHint } from "../hostnames/meant.ts"
import type { LabelSelector } from "../resources.ts"
import type { Report } from "./report.ts"
import { integer, list, map, optional, record, required, type Shape, text } from "./shape.ts"

/** API group of Gateway, TLSRoute and their like. */
export const GATEWAY_GROUP = "gateway.networking.k8s.io"

const LOWER_CASE_NAME = "lower case letters, digits, '-' and '.', with a letter or digit at each end"

/** `metadata.name` of most kinds, listener and rule names, `sectionName`. */
export const subdomainName = text({
  min: 1,
  max: 253,
  pattern: new RegExp(`^${SUBDOMAIN}$`),
  be: LOWER_CASE_NAME,
})

/** A name referred to: the API leaves its form to the kind referred to. */
export const objectName = text({ min: 1, max: 253 })

/** A namespace's name. */
export const namespaceName = text({
  min: 1,
  max: 63,
  pattern: new RegExp(`^${LABEL}$`),
  be: "lower case letters, digits and '-', with a letter or digit at each end",
})

/** An API group; the core group is `""`. */
export const group = text({ max: 253, pattern: new RegExp(`^$|^${SUBDOMAIN}$`), be: 'a domain name, or "" for core' })

/** A kind, for example `TLSRoute`. */
export const kind = text({
  min: 1,
  max: 63,
  pattern: /^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/,
  be: "letters, digits and '-', with a letter first",
})

/** `controllerName`: a domain and a path. */
export const controllerName = text(CONTROLLER_NAME)

/** A TCP port. */
export const portNumber = integer(1, 65535)

/** Bounds of `format: int32`. */
export const int32 = integer(-(2 ** 31), 2 ** 31 - 1)

const WHOLE_SUBDOMAIN = new RegExp(`^${SUBDOMAIN}$`)

/** True for a domain name as Kubernetes names things with one. */
export const isSubdomain = (value: string): boolean => value.length <= 253 && WHOLE_SUBDOMAIN.test(value)

const HOSTNAME = new RegExp(`^(\\*\\.)?${SUBDOMAIN}$`)
const HOSTNAME_RULE =
  "valid based on RFC-1123: lower case letters, digits, '-' and '.', no dot at the end, no port, and a wildcard only as the whole first label"

/** True for a precise or wildcard hostname as the Gateway API writes it. */
export const isHostname = (value: string): boolean => HOSTNAME.test(value)

/** A precise or wildcard hostname. The API server takes IPv4 addresses here, which the Gateway API calls a bug. */
export const hostname = text({ min: 1, max: 253, pattern: HOSTNAME, be: HOSTNAME_RULE, hint: hostnameHint })

/** A hostname where the API server refuses IP addresses too. */
export const hostnameNotIP = text({
  min: 1,
  max: 253,
  pattern: HOSTNAME,
  be: HOSTNAME_RULE,
  hint: hostnameHint,
  rule: refuseIP,
})

function refuseIP(value: string, report: Report): void {
  // The pattern has no ":", so that an IP address that comes here is IPv4.
  if (isIPv4(value)) report.breach("InvalidValue", `hostnames cannot contain an IP, and ${value} is one`)
}

/** `type` of an address. The alternatives are anchored as loosely as the API's own pattern anchors them. */
export const addressType = text({
  min: 1,
  max: 253,
  pattern: new RegExp(`^Hostname|IPAddress|NamedAddress|${DOMAIN_PATH}$`),
  be: "IPAddress, Hostname, NamedAddress, or a domain and a path",
})

/** `protocol` of a listener: a word, or a domain and a word. */
export const protocol = text({
  min: 1,
  max: 255,
  pattern: new RegExp(`^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|${SUBDOMAIN}\\/[A-Za-z0-9]+$`),
  be: "a word such as TLS, or a domain and a word",
})

const QUALIFIED_NAME = new RegExp(`^(${SUBDOMAIN}/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$`)

/** Checks the key of a label or an annotation; `longestPrefix` is the most characters before the slash. */
export function qualifiedName(longestPrefix: number): (key: string, report: Report) => void {
  return (key, report) => {
    // No valid key is longer; the pattern is not run on more.
    if (key.length > longestPrefix + 64 || key.indexOf("/") > longestPrefix) {
      report.breach("TooLong", `key must have at most ${longestPrefix} characters before the slash, and 63 after it`)
    } else if (!QUALIFIED_NAME.test(key)) {
      report.breach(
        "InvalidValue",
        "key must be a name of up to 63 letters, digits, '-', '_' and '.', after an optional domain name and a slash",
      )
    }
  }
}

/** The value of a label. */
export const labelValue = text({
  max: 63,
  pattern: /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/,
  be: "empty, or letters, digits, '-', '_' and '.', with a letter or digit at each end",
})

/** `metav1.LabelSelector`. The API server takes any word as operator; selectors with a wrong one select nothing. */
export const labelSelector: Shape = record({
  matchLabels: optional(map(text())),
  matchExpressions: optional(
    list(
      record<SelectorRequirement>(
        { key: required(text()), operator: required(text()), values: optional(list(text())) },
        { rule: warnOfUselessRequirement },
      ),
    ),
  ),
})

type SelectorRequirement = NonNullable<LabelSelector["matchExpressions"]>[number]

function warnOfUselessRequirement({ operator, values }: SelectorRequirement, report: Report): void {
  const count = values?.length ?? 0
  if (operator === "In" || operator === "NotIn") {
    if (count === 0)
      report.warn("Required", `${operator} needs values; without, the selector selects nothing`, "values")
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (count > 0) {
      report.warn("Forbidden", `${operator} takes no values; with them, the selector selects nothing`, "values")
    }
  } else {
    const message = "must be In, NotIn, Exists or DoesNotExist; with anything else, the selector selects nothing"
    report.warn("NotSupported", message, "operator")
  }
}

/** Reports each item of the present list whose key an earlier item has. */
export function refuseDuplicates<T>(
  items: readonly T[],
  keyOf: (item: T) => string | number | undefined,
  report: Report,
  message: (item: T, earlier: number) => string,
  ...field: readonly string[]
): void {
  const seen = new Map<string | number, number>()
  for (const [index, item] of items.entries()) {
    const key = keyOf(item)
    if (key === undefined) continue
    const earlier = seen.get(key)
    if (earlier === undefined) seen.set(key, index)
    else report.breach("Duplicate", message(item, earlier), index, ...field)
  }
}

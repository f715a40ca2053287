import { addresses } from "./address.ts"
import type { Channel } from "./channel.ts"
import {
  group,
  kind,
  labelSelector,
  labelValue,
  namespaceName,
  objectName,
  portNumber,
  qualifiedName,
  refuseDuplicates,
} from "./fields.ts"
import { listeners, secretReference, warnOfMissingSelector } from "./listener.ts"
import type { Report } from "./report.ts"
import { choice, defaulted, list, map, optional, record, required, type Shape, text } from "./shape.ts"

const allowedListeners = record({
  namespaces: defaulted(
    record(
      { from: defaulted(choice("All", "Selector", "Same", "None"), "None"), selector: optional(labelSelector) },
      { rule: warnOfMissingSelector },
    ),
    { from: "None" },
  ),
})

/** Most characters before the slash of a key: the API's own rule says fewer than 253. */
const LONGEST_PREFIX = 252

const infrastructure = record({
  labels: optional(map(labelValue, { max: 8, key: qualifiedName(LONGEST_PREFIX) })),
  annotations: optional(map(text({ max: 4096 }), { max: 16, key: qualifiedName(LONGEST_PREFIX) })),
  parametersRef: optional(record({ group: required(group), kind: required(kind), name: required(objectName) })),
})

/** How clients' certificates are checked; of no effect where TLS is passed through. */
const frontendTLS = (channel: Channel): Shape =>
  record({
    validation: optional(
      record({
        caCertificateRefs: required(
          list<CertificateReference>(
            record({
              group: required(group),
              kind: required(kind),
              name: required(objectName),
              namespace: optional(namespaceName),
            }),
            { min: 1, max: 16, ...(channel === "experimental" && { rule: refuseNamespaceOfTrustBundle }) },
          ),
        ),
        mode: defaulted(choice("AllowValidOnly", "AllowInsecureFallback"), "AllowValidOnly"),
      }),
    ),
  })

interface CertificateReference {
  readonly group: string
  readonly kind: string
  readonly namespace?: string | null
}

function refuseNamespaceOfTrustBundle(refs: readonly CertificateReference[], report: Report): void {
  for (const [index, { group, kind, namespace }] of refs.entries()) {
    if (group !== "certificates.k8s.io" || kind !== "ClusterTrustBundle" || (namespace ?? undefined) === undefined)
      continue
    report.breach("Forbidden", "a ClusterTrustBundle has no namespace", index, "namespace")
  }
}

const gatewayTLS = (channel: Channel): Shape =>
  record({
    backend: optional(record({ clientCertificateRef: optional(secretReference) })),
    frontend: optional(
      record({
        default: required(frontendTLS(channel)),
        perPort: optional(
          list<{ readonly port: number }>(record({ port: required(portNumber), tls: required(frontendTLS(channel)) }), {
            max: 64,
            rule(items, report) {
              const message = "port for TLS configuration must be unique within the Gateway"
              refuseDuplicates(
                items,
                (item) => item.port,
                report,
                () => message,
                "port",
              )
            },
          }),
        ),
      }),
    ),
  })

/** `Gateway.spec`. */
export const gatewaySpec = (channel: Channel): Shape =>
  record({
    gatewayClassName: required(objectName),
    listeners: required(listeners("Gateway", channel)),
    addresses: optional(addresses(channel)),
    allowedListeners: optional(allowedListeners),
    infrastructure: optional(infrastructure),
    tls: optional(gatewayTLS(channel)),
    ...(channel === "experimental" && { defaultScope: optional(choice("All", "None")) }),
  })

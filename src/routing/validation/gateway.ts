import { addresses } from "./address.ts"
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
const frontendTLS = record({
  validation: optional(
    record({
      caCertificateRefs: required(
        list(
          record({
            group: required(group),
            kind: required(kind),
            name: required(objectName),
            namespace: optional(namespaceName),
          }),
          { min: 1, max: 16 },
        ),
      ),
      mode: defaulted(choice("AllowValidOnly", "AllowInsecureFallback"), "AllowValidOnly"),
    }),
  ),
})

const gatewayTLS = record({
  backend: optional(record({ clientCertificateRef: optional(secretReference) })),
  frontend: optional(
    record({
      default: required(frontendTLS),
      perPort: optional(
        list<{ readonly port: number }>(record({ port: required(portNumber), tls: required(frontendTLS) }), {
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

const fields = {
  gatewayClassName: required(objectName),
  listeners: required(listeners),
  addresses: optional(addresses),
  allowedListeners: optional(allowedListeners),
  infrastructure: optional(infrastructure),
  tls: optional(gatewayTLS),
}

/** `Gateway.spec` of the standard channel. */
export const gatewaySpec: Shape = record(fields)

/** `Gateway.spec` of the experimental channel. */
export const experimentalGatewaySpec: Shape = record({ ...fields, defaultScope: optional(choice("All", "None")) })

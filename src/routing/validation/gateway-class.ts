import { controllerName, group, kind, namespaceName, objectName } from "./fields.ts"
import { optional, record, required, type Shape, text } from "./shape.ts"

/** `GatewayClass.spec`. That `controllerName` never changes is for the API server to see: it takes two objects. */
export const gatewayClassSpec: Shape = record({
  controllerName: required(controllerName),
  description: optional(text({ max: 64 })),
  parametersRef: optional(
    record({
      group: required(group),
      kind: required(kind),
      name: required(objectName),
      namespace: optional(namespaceName),
    }),
  ),
})

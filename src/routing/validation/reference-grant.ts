import { group, kind, namespaceName, objectName } from "./fields.ts"
import { list, optional, record, required, type Shape } from "./shape.ts"

/** `ReferenceGrant.spec`. */
export const referenceGrantSpec: Shape = record({
  from: required(
    list(record({ group: required(group), kind: required(kind), namespace: required(namespaceName) }), {
      min: 1,
      max: 16,
    }),
  ),
  to: required(
    list(record({ group: required(group), kind: required(kind), name: optional(objectName) }), { min: 1, max: 16 }),
  ),
})

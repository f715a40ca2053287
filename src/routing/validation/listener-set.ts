import type { Channel } from "./channel.ts"
import { GATEWAY_GROUP, group, kind, namespaceName, objectName } from "./fields.ts"
import { listeners } from "./listener.ts"
import { defaulted, optional, record, required, type Shape } from "./shape.ts"

/** `ListenerSet.spec`. */
export const listenerSetSpec = (channel: Channel): Shape =>
  record({
    parentRef: required(
      record({
        group: defaulted(group, GATEWAY_GROUP),
        kind: defaulted(kind, "Gateway"),
        name: required(objectName),
        namespace: optional(namespaceName),
      }),
    ),
    listeners: required(listeners("ListenerSet", channel)),
  })

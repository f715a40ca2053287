import { labelValue, namespaceName, qualifiedName, subdomainName } from "./fields.ts"
import type { Report } from "./report.ts"
import { anything, integer, map, optional, record, required, type Shape, text } from "./shape.ts"

const TIME = /^\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
const TIME_RULE = 'a time such as "2025-01-31T12:00:00Z" (RFC 3339)'

/** A time as RFC 3339 writes it. */
export const time = text({ max: 64, pattern: TIME, be: TIME_RULE, rule: refuseUnknownDay })

function refuseUnknownDay(value: string, report: Report): void {
  const month = Number(value.slice(5, 7))
  const day = Number(value.slice(8, 10))
  if (month < 1 || month > 12 || day < 1 || day > daysOf(month, value)) {
    report.breach("InvalidValue", `must be ${TIME_RULE}; there is no day ${value.slice(0, 10)}`)
  }
}

function daysOf(month: number, value: string): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  const year = Number(value.slice(0, 4))
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** Bounds of `format: int64` that are not negative; the upper one is the last number a double can hold below it. */
export const generation = integer(0, 2 ** 63 - 1024)

const labels = map(labelValue, { key: qualifiedName(253) })
const annotations = map(text(), { key: qualifiedName(253) })

/** `metadata` of the kinds of the Gateway API. */
export const metadata: Shape = record({
  name: required(subdomainName),
  namespace: optional(namespaceName),
  labels: optional(labels),
  annotations: optional(annotations),
  generation: optional(generation),
  creationTimestamp: optional(time),
  deletionTimestamp: optional(time),
  resourceVersion: optional(text()),
  uid: optional(text()),
  generateName: optional(anything),
  selfLink: optional(anything),
  deletionGracePeriodSeconds: optional(anything),
  ownerReferences: optional(anything),
  finalizers: optional(anything),
  managedFields: optional(anything),
})

/** The part of `metadata` of core kinds that routing reads. */
export const coreMetadata = (name: Shape): Shape =>
  record(
    {
      name: required(name),
      namespace: optional(namespaceName),
      labels: optional(labels),
      annotations: optional(annotations),
    },
    { open: true },
  )

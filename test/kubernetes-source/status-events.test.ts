import { describe, expect, test } from "vitest"
import { statusEvents } from "../../src/kubernetes/status-events.ts"
import type { Condition } from "../../src/routing/resources.ts"

const OURS = "tlsroute.dev/gateway"

const condition = (type: string, status: Condition["status"], reason: string, message = reason): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: "2026-01-01T00:00:00Z",
})
const gateway = (conditions: readonly Condition[], listeners: readonly Condition[] = []) => ({
  conditions,
  listeners: [{ name: "tls", attachedRoutes: 0, conditions: listeners }],
})
const route = (...conditions: readonly Condition[]) => ({
  parents: [{ parentRef: { name: "gateway" }, controllerName: OURS, conditions }],
})
const accepted = condition("Accepted", "True", "Accepted")
const programmed = condition("Programmed", "True", "Programmed")
const resolved = condition("ResolvedRefs", "True", "ResolvedRefs")

// What `kubectl describe` shows: type, reason, message.
const CASES: readonly [string, "Gateway" | "TLSRoute", unknown, unknown, readonly string[]][] = [
  [
    "a Gateway that comes to take connections",
    "Gateway",
    gateway([condition("Accepted", "Unknown", "Pending"), condition("Programmed", "Unknown", "Pending")]),
    gateway([accepted, programmed], [accepted, programmed, condition("Conflicted", "False", "NoConflicts")]),
    ["Normal Programmed Programmed"],
  ],
  ["a status that says the same", "Gateway", gateway([accepted, programmed]), gateway([accepted, programmed]), []],
  [
    "a port that cannot be bound, once for the Gateway and its listener",
    "Gateway",
    gateway([accepted, programmed], [programmed]),
    gateway(
      [accepted, condition("Programmed", "False", "Pending", "listen EACCES")],
      [condition("Programmed", "False", "Pending", "listen EACCES")],
    ),
    ["Warning NotProgrammed listen EACCES"],
  ],
  [
    "a listener that is refused",
    "Gateway",
    gateway([accepted, programmed], [accepted]),
    gateway([accepted, programmed], [condition("Accepted", "False", "UnsupportedProtocol", "HTTP is not served")]),
    ["Warning UnsupportedProtocol listener tls: HTTP is not served"],
  ],
  [
    "listeners that conflict",
    "Gateway",
    gateway([accepted]),
    gateway([accepted], [condition("Conflicted", "True", "HostnameConflict", "twice")]),
    ["Warning HostnameConflict listener tls: twice"],
  ],
  [
    "a route that is attached",
    "TLSRoute",
    undefined,
    route(accepted, resolved),
    ["Normal Accepted Gateway gateway: Accepted"],
  ],
  [
    "a route that is refused, and why",
    "TLSRoute",
    undefined,
    route(condition("Accepted", "False", "NotAllowedByListeners", "not from here"), resolved),
    ["Warning NotAllowedByListeners Gateway gateway: not from here"],
  ],
  [
    "another message for what fails",
    "TLSRoute",
    route(condition("ResolvedRefs", "False", "BackendNotFound", "no Service a")),
    route(condition("ResolvedRefs", "False", "BackendNotFound", "no Service b")),
    ["Warning BackendNotFound Gateway gateway: no Service b"],
  ],
  [
    "what works again",
    "TLSRoute",
    route(accepted, condition("ResolvedRefs", "False", "BackendNotFound")),
    route(accepted, resolved),
    ["Normal ResolvedRefs Gateway gateway: ResolvedRefs"],
  ],
  [
    "refused policies",
    "TLSRoute",
    route(accepted, resolved),
    route(accepted, resolved, condition("tlsroute.dev/PoliciesAccepted", "False", "InvalidPolicies", "no duration")),
    ["Warning InvalidPolicies Gateway gateway: no duration"],
  ],
  [
    "parents of other controllers, of which we say nothing",
    "TLSRoute",
    undefined,
    { parents: [{ parentRef: { name: "x" }, controllerName: "example.com/other", conditions: [accepted] }] },
    [],
  ],
]

describe("the Events of a status", () => {
  test.each(CASES)("tell of %s", (_, kind, before, after, expected) => {
    const told = statusEvents({ kind }, before, after, OURS).map(
      ({ type, reason, note }) => `${type} ${reason} ${note}`,
    )
    expect(told).toEqual(expected)
  })
})

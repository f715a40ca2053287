import { describe, expect, test } from "vitest"
import { statusPatch } from "../../src/kubernetes/status-merge.ts"

const OURS = "tlsroute.dev/gateway"
const THEIRS = "example.com/other"

const condition = (type: string, status: "True" | "False", time = "2026-01-01T00:00:00Z", message = "") => ({
  type,
  status,
  reason: type,
  message,
  observedGeneration: 1,
  lastTransitionTime: time,
})
const entry = (controllerName: string, name: string, ...conditions: readonly unknown[]) => ({
  parentRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name },
  controllerName,
  conditions,
})
const patch = (current: object | undefined, base: object | undefined, desired: object) =>
  statusPatch({ current, base, desired, controllerName: OURS } as Parameters<typeof statusPatch>[0])

describe("route parents", () => {
  const theirs = entry(THEIRS, "a", condition("Accepted", "True"), condition("Programmed", "True"))
  const ours = entry(OURS, "a", condition("Accepted", "True"))

  test("an entry of ours is added behind those of other controllers", () => {
    expect(patch({ parents: [theirs] }, { parents: [theirs] }, { parents: [theirs, ours] })).toEqual({
      parents: [theirs, ours],
    })
  })

  test("what another controller wrote since is kept", () => {
    const newer = entry(THEIRS, "a", condition("Accepted", "False"))
    expect(patch({ parents: [newer] }, { parents: [theirs] }, { parents: [theirs, ours] })).toEqual({
      parents: [newer, ours],
    })
  })

  test("an entry that another controller removed is not brought back", () => {
    expect(patch({ parents: [] }, { parents: [theirs] }, { parents: [theirs, ours] })).toEqual({ parents: [ours] })
  })

  test("an entry of ours for a parent that the route left is removed, others' entries for it stay", () => {
    const current = { parents: [ours, theirs] }
    expect(patch(current, current, { parents: [theirs] })).toEqual({ parents: [theirs] })
  })

  test("a parentRef that leaves out group and kind is the one with the defaults filled in", () => {
    const short = { ...ours, parentRef: { name: "a" } }
    expect(patch({ parents: [ours] }, { parents: [] }, { parents: [short] })?.["parents"]).toHaveLength(1)
  })

  test("nothing is written when the server has it already", () => {
    const current = { parents: [theirs, ours] }
    expect(patch(current, undefined, { parents: [ours] })).toBeUndefined()
  })
})

describe("conditions", () => {
  test("a condition of another type stays", () => {
    const foreign = condition("Backup", "True")
    const current = { conditions: [foreign, condition("Accepted", "False")] }
    const accepted = condition("Accepted", "True", "2026-02-02T00:00:00Z")
    expect(patch(current, current, { conditions: [foreign, accepted] })).toEqual({ conditions: [foreign, accepted] })
  })

  test("one that was added since by someone else is kept", () => {
    const added = condition("Backup", "True")
    const accepted = condition("Accepted", "True")
    expect(patch({ conditions: [added] }, { conditions: [] }, { conditions: [accepted] })).toEqual({
      conditions: [added, accepted],
    })
  })

  test("one that no longer applies is removed", () => {
    const gone = condition("Conflicted", "True")
    const accepted = condition("Accepted", "True")
    const current = { conditions: [accepted, gone] }
    expect(patch(current, current, { conditions: [accepted] })).toEqual({ conditions: [accepted] })
  })

  test("the transition time stays while the status is the same", () => {
    const current = { conditions: [condition("Accepted", "True", "2026-01-01T00:00:00Z", "old")] }
    const desired = { conditions: [condition("Accepted", "True", "2026-03-03T00:00:00Z", "new")] }
    expect(patch(current, undefined, desired)).toEqual({
      conditions: [condition("Accepted", "True", "2026-01-01T00:00:00Z", "new")],
    })
  })
})

test("a field that is no longer wanted is removed, a field that we know nothing of stays", () => {
  const current = { addresses: [{ value: "192.0.2.1" }], ofOthers: 1 }
  expect(patch(current, { addresses: [{ value: "192.0.2.1" }] }, {})).toEqual({ addresses: null })
})

test("listeners that are gone lose their entry, and foreign conditions of others stay", () => {
  const foreign = condition("Backup", "True")
  const listener = (name: string, ...conditions: readonly unknown[]) => ({ name, attachedRoutes: 0, conditions })
  const base = { listeners: [listener("a"), listener("b")] }
  const current = { listeners: [listener("a", foreign), listener("b")] }
  const accepted = condition("Accepted", "True")
  expect(patch(current, base, { listeners: [listener("a", accepted)] })).toEqual({
    listeners: [listener("a", foreign, accepted)],
  })
})

import { expect, it } from "vitest"
import { ConnectionReports } from "../../../src/gateway/workers/connection-reports.ts"
import type { ConnectionInfo, ConnectionSnapshot, ConnectionState } from "../../../src/proxy/connection/record.ts"

/** A connection that counts how often its state is looked at. */
class Fake {
  looks = 0
  current: ConnectionState = "accepted"
  bytesFromClient = 0
  readonly bytesFromBackend = 0
  readonly id: number

  constructor(id: number) {
    this.id = id
  }

  get state(): ConnectionState {
    this.looks += 1
    return this.current
  }

  toJSON(): ConnectionSnapshot {
    const { id, current: state, bytesFromClient } = this
    return { id, state, bytesFromClient } as ConnectionSnapshot
  }
}

function track(count: number) {
  const reports = new ConnectionReports()
  const fakes = Array.from({ length: count }, (_, id) => new Fake(id))
  for (const fake of fakes) reports.add(fake as unknown as ConnectionInfo, false)
  return { reports, fakes, at: (id: number) => fakes[id] as Fake }
}

it("tells of what is new, then of what changed, then of what has gone, once each", () => {
  const { reports, at } = track(3)
  expect(reports.next().changed.map(({ id }) => id)).toEqual([0, 1, 2])
  expect(reports.next()).toEqual({ changed: [], gone: [] })
  at(1).bytesFromClient = 7
  expect(reports.next().changed).toEqual([{ id: 1, state: "accepted", bytesFromClient: 7 }])
  at(0).current = "closed"
  expect(reports.next()).toEqual({ changed: [], gone: [0] })
  expect(reports.next()).toEqual({ changed: [], gone: [] })
})

it("tells of a state that changes without a byte, such as a half-close", () => {
  const { reports, at } = track(1)
  at(0).current = "splicing"
  reports.next()
  at(0).current = "half-closed"
  expect(reports.next().changed).toEqual([expect.objectContaining({ state: "half-closed" })])
})

it("says nothing of a connection that came and went unnoticed", () => {
  const { reports, at } = track(1)
  at(0).current = "closed"
  expect(reports.next()).toEqual({ changed: [], gone: [] })
})

it("looks at so many connections and no more, however many there are, and at all of them in turn", () => {
  const { reports, fakes } = track(50_000)
  const looks = () => fakes.reduce((sum, fake) => sum + fake.looks, 0)
  let told = 0
  let before = 0
  for (let turn = 0; told < fakes.length; turn += 1) {
    told += reports.next().changed.length
    // A connection that changed is looked at a few times over.
    expect(looks() - before).toBeLessThanOrEqual(4 * 2_048)
    before = looks()
    expect(turn).toBeLessThan(100)
  }
  for (const fake of fakes) fake.current = "half-closed"
  const seen = new Set<number>()
  for (let turn = 0; turn < 50 && seen.size < fakes.length; turn += 1) {
    for (const { id } of reports.next().changed) seen.add(id)
  }
  expect(seen.size).toBe(fakes.length)
})

it("loses track of none as others come and go", () => {
  const { reports, fakes, at } = track(0)
  const told = new Set<number>()
  for (let turn = 0; turn < 500; turn += 1) {
    for (let each = 0; each < 5; each += 1) {
      const fake = new Fake(fakes.length)
      fakes.push(fake)
      reports.add(fake as unknown as ConnectionInfo, false)
    }
    for (let each = 0; each < 4; each += 1) at((turn * 7 + each * 3) % fakes.length).current = "closed"
    const { changed, gone } = reports.next()
    for (const { id } of changed) told.add(id)
    for (const id of gone) told.delete(id)
  }
  reports.next()
  const live = fakes.filter(({ current }) => current !== "closed").map(({ id }) => id)
  expect([...told].sort((a, b) => a - b)).toEqual(live)
})

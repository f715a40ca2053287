import { expect, test } from "vitest"
import { type Live, LiveConnections } from "../../src/proxy/connection/live-connections.ts"

class Named implements Live {
  liveNext: this | undefined
  livePrevious: this | undefined
  constructor(readonly name: string) {}
}

function listOf(...names: readonly string[]) {
  const list = new LiveConnections<Named>()
  const members = names.map((name) => new Named(name))
  for (const member of members) list.add(member)
  return { list, members }
}

const namesIn = (list: LiveConnections<Named>) => [...list].map(({ name }) => name)

test.each([
  ["the oldest", [0], ["b", "c", "d"]],
  ["the newest", [3], ["a", "b", "c"]],
  ["one between", [1], ["a", "c", "d"]],
  ["neighbours", [1, 2], ["a", "d"]],
  ["all", [2, 0, 3, 1], []],
])("those left are in order, oldest first, when %s went", (_, gone, left) => {
  const { list, members } = listOf("a", "b", "c", "d")
  for (const index of gone) list.delete(members[index] as Named)
  expect(namesIn(list)).toEqual(left)
  expect(list.size).toBe(left.length)
  list.add(new Named("e"))
  expect(namesIn(list)).toEqual([...left, "e"])
})

test("one that went holds on to none of the others", () => {
  const { list, members } = listOf("a", "b", "c")
  list.delete(members[1] as Named)
  expect([members[1]?.liveNext, members[1]?.livePrevious]).toEqual([undefined, undefined])
})

test("members may go while the list is walked", () => {
  const { list } = listOf("a", "b", "c")
  const seen = []
  for (const member of list) {
    seen.push(member.name)
    list.delete(member)
  }
  expect(seen).toEqual(["a", "b", "c"])
  expect(list.size).toBe(0)
})

import { expect, test } from "vitest"
import { type Live, LiveConnections } from "../../src/proxy/connection/live-connections.ts"

class Named implements Live {
  liveNext: this | undefined
  livePrevious: this | undefined
  constructor(
    readonly id: number,
    readonly name: string,
  ) {}
}

function listOf(...names: readonly string[]) {
  const list = new LiveConnections<Named>()
  const members = names.map((name, at) => new Named(at + 1, name))
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
  list.add(new Named(5, "e"))
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

test("a walk that takes its time has those that were live when it began, those last that went before it came to them", () => {
  const { list, members } = listOf("a", "b", "c", "d", "e")
  const walk = list[Symbol.iterator]()
  const seen = [walk.next().value?.name]
  const without = (index: number) => list.delete(members[index] as Named)
  // One that it has seen, the one that comes next, the last, and one that is new.
  without(0)
  without(1)
  without(4)
  list.add(new Named(6, "f"))
  for (const { name } of walk) seen.push(name)
  expect(seen.slice(0, 3)).toEqual(["a", "c", "d"])
  expect(seen.slice(3).sort()).toEqual(["b", "e"])
  expect(namesIn(list)).toEqual(["c", "d", "f"])
})

test("a walk is over when all have gone, and when it was left", () => {
  const { list, members } = listOf("a", "b", "c")
  const [walk, left] = [list[Symbol.iterator](), list[Symbol.iterator]()]
  left.return?.()
  for (const member of members) list.delete(member)
  list.add(new Named(4, "d"))
  expect([...walk].map(({ name }) => name).sort()).toEqual(["a", "b", "c"])
  expect([...walk, ...left]).toEqual([])
})

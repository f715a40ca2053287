import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Timed, TimerWheel } from "../../src/proxy/timer-wheel.ts"

class Probe extends Timed {
  readonly fired: number[] = []
  constructor(readonly onFire: () => void = () => {}) {
    super()
  }
  deadlineReached(): void {
    this.fired.push(performance.now())
    this.onFire()
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([0, 1, 99, 100, 101, 5_000, 51_199, 51_200, 51_201, 120_000, 3_600_000])(
  "a deadline of %i ms comes up to a tick late, never early, and once",
  (delay) => {
    const wheel = new TimerWheel()
    vi.advanceTimersByTime(12_345)
    const from = performance.now()
    const probe = new Probe()
    wheel.arm(probe, delay)
    vi.advanceTimersByTime(delay + 60_000)
    expect(probe.fired.length).toBe(1)
    expect(probe.fired[0]! - from).toBeGreaterThanOrEqual(delay)
    expect(probe.fired[0]! - from).toBeLessThanOrEqual(delay + 200)
  },
)

test("a deadline that is moved counts from the move", () => {
  const wheel = new TimerWheel()
  const probe = new Probe()
  wheel.arm(probe, 1_000)
  vi.advanceTimersByTime(900)
  wheel.arm(probe, 1_000)
  vi.advanceTimersByTime(900)
  expect(probe.fired).toEqual([])
  vi.advanceTimersByTime(300)
  expect(probe.fired.length).toBe(1)
})

test("a deadline taken away does not come, nor one at infinity", () => {
  const wheel = new TimerWheel()
  const [gone, never] = [new Probe(), new Probe()]
  wheel.arm(gone, 500)
  wheel.arm(never, 500)
  wheel.disarm(gone)
  wheel.arm(never, Number.POSITIVE_INFINITY)
  wheel.disarm(never)
  expect(wheel.size).toBe(0)
  vi.advanceTimersByTime(10_000)
  expect([...gone.fired, ...never.fired]).toEqual([])
})

test("no timer runs while nothing is armed", () => {
  const wheel = new TimerWheel()
  expect(vi.getTimerCount()).toBe(0)
  wheel.arm(new Probe(), 100)
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(1_000)
  expect(vi.getTimerCount()).toBe(0)
})

test("what comes due may arm and disarm others in the same slot", () => {
  const wheel = new TimerWheel()
  const neighbours: Probe[] = []
  const first = new Probe(() => {
    for (const neighbour of neighbours) wheel.disarm(neighbour)
    wheel.arm(first, 300)
  })
  for (let index = 0; index < 3; index++) neighbours.push(new Probe())
  wheel.arm(first, 100)
  for (const neighbour of neighbours) wheel.arm(neighbour, 100)
  vi.advanceTimersByTime(1_000)
  expect(neighbours.flatMap(({ fired }) => fired)).toEqual([])
  expect(first.fired.length).toBeGreaterThanOrEqual(2)
})

test("ten thousand deadlines all come, after a pause of the whole process too", () => {
  const wheel = new TimerWheel()
  const probes = Array.from({ length: 10_000 }, () => new Probe())
  probes.forEach((probe, index) => {
    wheel.arm(probe, index * 10)
  })
  vi.setSystemTime(Date.now() + 200_000)
  vi.advanceTimersByTime(200_000)
  expect(probes.every(({ fired }) => fired.length === 1)).toBe(true)
  expect(wheel.size).toBe(0)
})

test("coming due takes time in proportion to what is armed, however many far deadlines share the slot", () => {
  /** Steps that the wheel takes from entry to entry. */
  let steps = 0
  const counted = () => {
    let next: Timed | undefined
    return Object.defineProperty(new Probe(), "wheelNext", {
      get() {
        steps++
        return next
      },
      set(entry: Timed | undefined) {
        next = entry
      },
    })
  }
  const wheel = new TimerWheel()
  const turn = 51_200
  const due = Array.from({ length: 1_000 }, counted)
  const far = Array.from({ length: 1_000 }, counted)
  for (const probe of due) wheel.arm(probe, 300)
  for (const probe of far) wheel.arm(probe, 300 + 10 * turn)
  steps = 0
  vi.advanceTimersByTime(1_000)
  expect(due.every(({ fired }) => fired.length === 1)).toBe(true)
  expect(steps).toBeLessThan(10_000)
  expect(wheel.size).toBe(1_000)
})

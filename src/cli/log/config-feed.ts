import type { ConfigApplied } from "../../gateway/events.ts"
import type { PassthroughGateway } from "../../gateway/gateway.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import { ConfigChanges, type ConfigLine } from "./config-changes.ts"

/** A configuration that is in force, as it is told. */
export interface ToldConfig extends ConfigApplied {
  /** What it changed, a few entries to a line. */
  readonly lines: readonly ConfigLine[]
}

type Problems = (applied: ConfigApplied) => readonly ResourceProblem[]

/**
 * Follows a gateway's configurations, so that what is wrong with one, where that is written and what it changed is
 * found once, whoever tells of it.
 */
export class ConfigFeed {
  readonly #changes = new ConfigChanges()
  readonly #tellers: ((told: ToldConfig) => void)[] = []

  /**
   * @param gateway - what is followed
   * @param problems - what is told of a configuration's problems. Default: all of them, as they are
   */
  constructor(gateway: Pick<PassthroughGateway, "on">, problems: Problems = (applied) => applied.problems) {
    gateway.on("config", (applied) => {
      const known = { ...applied, problems: problems(applied) }
      const told = { ...known, lines: this.#changes.next(known) }
      for (const tell of this.#tellers) tell(told)
    })
  }

  /** Has somebody tell of those that come from now on. */
  follow(tell: (told: ToldConfig) => void): void {
    this.#tellers.push(tell)
  }
}

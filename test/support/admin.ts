import { Overview } from "../../src/cli/admin/overview.ts"
import { type Admin, startAdmin } from "../../src/cli/admin/server.ts"
import { ConfigFeed } from "../../src/cli/log/config-feed.ts"
import type { ConfigApplied } from "../../src/gateway/events.ts"
import type { PassthroughGateway } from "../../src/gateway/gateway.ts"
import { Observations } from "../../src/metrics/observations.ts"
import type { ResourceProblem } from "../../src/routing/resources.ts"

/** Starts an admin server with a live page on loopback, as `--admin` does, for a gateway that is not started yet. */
export function startPage(
  gateway: PassthroughGateway,
  port = 0,
  problems: (applied: ConfigApplied) => readonly ResourceProblem[] = (applied) => applied.problems,
): Promise<Admin> {
  const overview = new Overview(gateway, new Observations(gateway).tallies)
  new ConfigFeed(gateway, problems).follow((told) => overview.configured(told))
  return startAdmin({ host: "127.0.0.1", port, gateway, isServing: () => true, overview })
}

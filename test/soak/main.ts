import { parseArgs } from "node:util"
import { soak } from "./soak.ts"

const help = `Usage: npm run soak -- [options]

  --seconds N  how long (60)
  --seed N     start of the random numbers: the same clients and configurations, in the same order (the clock)
  --clients N  clients at a time, of all gateways (48)
  --workers N  one gateway with so many workers; without it one by itself and one with two workers, side by side
`

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    clients: { type: "string", default: "48" },
    workers: { type: "string", default: "1,2" },
    gateway: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
})
const [seconds, seed, clients] = [Number(values.seconds), Number(values.seed), Number(values.clients)]
const gateways = values.workers.split(",").map(Number)
const isRight = seconds > 0 && Number.isInteger(seed) && clients >= 1 && gateways.every((workers) => workers >= 1)
if (values.help || !isRight) {
  console.error(help)
  process.exit(values.help ? 0 : 2)
}

const each = Math.ceil(clients / gateways.length)
const soaked = gateways.map((workers) => soak({ seconds, seed, clients: each, workers, gateway: values.gateway }))
const failures = (await Promise.all(soaked)).flat()
for (const failure of failures.slice(0, 20)) console.error(`FAILED: ${failure}`)
if (failures.length > 20) console.error(`and ${failures.length - 20} more`)
console.log(`${failures.length === 0 ? "sound" : `${failures.length} failures`}, seed ${seed}`)
process.exitCode = failures.length === 0 ? 0 : 1

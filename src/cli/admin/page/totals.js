// What all listeners carry, and have carried in the last minutes.

import { byId, setText } from "./elements.js"
import { perSecond, rate, span, whole } from "./words.js"

const SAMPLES = 240
/** Bytes and new connections per second, oldest first. */
const samples = []

/** Takes the totals of one second. */
export function showTotals(scene, moment) {
  const sum = (field) => Object.values(moment.listeners).reduce((all, flow) => all + flow[field], 0)
  const totals = { rate: sum("rate"), refused: sum("refusedRate"), up: sum("up"), down: sum("down") }
  setText(byId("total-live"), whole(moment.live))
  setText(byId("total-rate"), perSecond(totals.rate))
  setText(byId("total-refused"), perSecond(totals.refused))
  byId("total-refused").classList.toggle("bad", totals.refused > 0)
  setText(byId("total-up"), rate(totals.up))
  setText(byId("total-down"), rate(totals.down))
  setText(byId("total-loop"), `${Math.round(moment.loopDelay)} ms`)
  setText(byId("total-uptime"), span(moment.at - scene.started))
  samples.push({ bytes: totals.up + totals.down, rate: totals.rate })
  if (samples.length > SAMPLES) samples.shift()
  showHistory()
}

function showHistory() {
  const highest = (field) => samples.reduce((most, sample) => Math.max(most, sample[field]), 0)
  const curve = (field) => {
    const most = Math.max(1, highest(field))
    const first = SAMPLES - samples.length
    return samples
      .map((sample, at) => `${at === 0 ? "M" : "L"}${first + at} ${(38 - (36 * sample[field]) / most).toFixed(1)}`)
      .join("")
  }
  setText(byId("history-most-bytes"), `bytes, ${rate(highest("bytes"))} at most`)
  setText(byId("history-most-rate"), `new connections, ${perSecond(highest("rate"))} a second at most`)
  byId("history-down").setAttribute("d", curve("bytes"))
  byId("history-rate").setAttribute("d", curve("rate"))
}

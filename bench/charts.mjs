/**
 * @typedef {object} Bar
 * @property {number} median
 * @property {number} least
 * @property {number} most
 *
 * @typedef {object} ChartRow
 * @property {string} label
 * @property {boolean} ours drawn in the accent colour
 * @property {readonly (Bar | undefined)[]} bars one per series
 *
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} subtitle unit, and which direction is better
 * @property {readonly string[]} series
 * @property {readonly ChartRow[]} rows
 * @property {number} digits decimals of the values
 */

const width = 760
const labelWidth = 190
const valueWidth = 56
const barHeight = 13
const barGap = 3
const rowGap = 12
const top = 62
const bottom = 14

// The first values read on white and on black; a viewer that knows the reader's scheme sharpens them.
const style = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #76808c }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 11px }
.ours { font-weight: 600 }
.bar { fill: #8b949e }
.bar.ours { fill: #2f81f7 }
.whisker { stroke: #76808c; stroke-width: 1.25; fill: none }
.axis { stroke: #8b949e; stroke-opacity: .5 }
@media (prefers-color-scheme: light) { text { fill: #424a53 } .whisker { stroke: #424a53 } }
@media (prefers-color-scheme: dark) { text { fill: #c2c9d1 } .whisker { stroke: #e6edf3 } }
`

/**
 * Horizontal bars, one group per row: the median, with a whisker from the least to the most.
 *
 * @param {Chart} chart
 * @returns {string} SVG with a transparent ground, legible on light and dark pages
 */
export function barChart({ title, subtitle, series, rows, digits }) {
  const several = series.length > 1
  const head = top + (several ? 20 : 0)
  const groupHeight = series.length * (barHeight + barGap) - barGap
  const height = head + rows.length * (groupHeight + rowGap) + bottom
  const longest = Math.max(...rows.flatMap(({ bars }) => bars.map((bar) => bar?.most ?? 0)))
  const scale = (width - labelWidth - valueWidth - 20) / longest
  const round = (value) => Math.round(value * 10) / 10
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>${style}</style>`,
    `<text class="title" x="16" y="26">${escapeXml(title)}</text>`,
    `<text x="16" y="46">${escapeXml(subtitle)}</text>`,
  ]
  if (several) {
    let x = labelWidth
    series.forEach((name, i) => {
      parts.push(
        `<rect class="bar" x="${x}" y="60" width="11" height="11" rx="2" opacity="${shade(i, series.length)}"/>`,
      )
      parts.push(`<text class="small" x="${x + 16}" y="70">${escapeXml(name)}</text>`)
      x += 34 + name.length * 6.2
    })
  }
  rows.forEach(({ label, ours, bars }, row) => {
    const y = head + row * (groupHeight + rowGap)
    const accent = ours ? " ours" : ""
    const middle = y + groupHeight / 2 + 4.5
    parts.push(
      `<text class="label${accent}" x="${labelWidth - 10}" y="${middle}" text-anchor="end">${escapeXml(label)}</text>`,
    )
    bars.forEach((bar, i) => {
      if (!bar) return
      const barY = y + i * (barHeight + barGap)
      const centre = barY + barHeight / 2
      const length = Math.max(1, bar.median * scale)
      const from = round(labelWidth + bar.least * scale)
      const to = round(labelWidth + bar.most * scale)
      parts.push(
        `<rect class="bar${accent}" x="${labelWidth}" y="${barY}" width="${round(length)}" height="${barHeight}" rx="2" opacity="${shade(i, bars.length)}"/>`,
        `<path class="whisker" d="M${from} ${centre}H${to}M${from} ${centre - 3}v6M${to} ${centre - 3}v6"/>`,
        `<text class="small${accent}" x="${to + 7}" y="${centre + 4}">${bar.median.toFixed(digits)}</text>`,
      )
    })
  })
  parts.push(`<line class="axis" x1="${labelWidth}" x2="${labelWidth}" y1="${head - 5}" y2="${height - bottom}"/>`)
  parts.push("</svg>")
  return `${parts.join("\n")}\n`
}

/**
 * Opacity of a series: the first is the palest.
 *
 * @param {number} index
 * @param {number} count
 */
function shade(index, count) {
  return count === 1 ? 1 : Math.round((0.45 + (0.55 * index) / (count - 1)) * 100) / 100
}

/** @param {string} text */
function escapeXml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")
}

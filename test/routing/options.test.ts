import { expect, it } from "vitest"
import { buildRouteTable, createRouteTableBuilder, validateObject } from "../../src/routing/index.ts"

const refusal = (message: string) =>
  expect.objectContaining({ code: "ERR_TLSROUTE_OPTION", message: expect.stringContaining(message) })

it.each<[string, unknown, string]>([
  ["null", null, "buildRouteTable: options must be an object, not null"],
  ["a misspelt option", { controlerName: "a.example/b" }, 'did you mean "controllerName"?'],
  ["an option of the gateway's", { source: {} }, 'there is no option "source"'],
  ["one class", { gatewayClassNames: "mine" }, 'the option "gatewayClassNames" must be a list of names, not "mine"'],
  ["a place that there is not", { location: { region: "x" } }, 'there is no option "location.region"'],
])("a table is not built by %s", (_, options, message) => {
  expect(() => buildRouteTable({}, options as object)).toThrow(refusal(message))
  expect(() => createRouteTableBuilder(options as object)).toThrow(refusal(message))
})

it.each<[unknown, string]>([
  [undefined, "explain: options are missing, for example { port: 443 }"],
  [{ port: "443" }, 'the option "port" must be a whole number from 0 to 65535, not "443"'],
  [{ port: 443, sni: "a.example" }, 'there is no option "sni"; there are port, address, serverName'],
])("nothing is explained by %j", (query, message) => {
  expect(() => buildRouteTable({}).explain(query as never)).toThrow(refusal(message))
})

it("an object is not validated by a channel that there is not", () => {
  expect(() => validateObject({}, { channel: "stable" as never })).toThrow(refusal('"standard", "experimental"'))
  expect(() => validateObject({}, { kind: "HTTPRoute" as never })).toThrow(refusal('"TLSRoute"'))
})

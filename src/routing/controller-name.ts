import { holding } from "../primitives/option-checks.ts"

/** One DNS label, as namespaces are named. Lengths are limited apart, as Kubernetes does. */
export const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
/** A DNS name. */
export const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
/** Domain prefix and path, as controllers and extension types are named. */
export const DOMAIN_PATH = `${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+`

/** What a controller's name may be. */
export const CONTROLLER_NAME = {
  min: 1,
  max: 253,
  pattern: new RegExp(`^${DOMAIN_PATH}$`),
  be: 'a domain and a path, such as "example.com/gateway-controller"',
}

/** One, as the message about a missing option shows it. */
export const CONTROLLER_EXAMPLE = '"example.com/gateway-controller"'

/** A controller's name in a program's options. */
export const controllerNameOption = holding(
  CONTROLLER_NAME.be,
  (value) => typeof value === "string" && value.length <= CONTROLLER_NAME.max && CONTROLLER_NAME.pattern.test(value),
)

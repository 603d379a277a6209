// Package gatewayapi pins the Gateway API, whose kinds tests give to an API server.
package gatewayapi

import _ "sigs.k8s.io/gateway-api/apis/v1"

// Package page drives the page of `kubectl iotfile ui` in a real browser, against a whole system:
// the built command line, the built operator, a control plane and an object store. Each journey is
// a script for Playwright beside this file, in a Node.js process of its own; what happens outside
// of the browser meanwhile is done by the Go test, which the script asks for it.
//
// It needs Node.js with npm, and Chromium: Debian's package chromium.
package page

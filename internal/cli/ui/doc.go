// Package ui serves the page of iotfile-operator on this machine: it gives a browser the files of
// the page, what the Kubernetes API has, as it changes, and the REST API, with the rights and the
// tokens of whoever has started it. A token never reaches the browser.
//
// Start with server.go. session.go and guard.go keep others out; events.go and follow.go are the
// stream of objects, proxy.go, routes.go and answers.go the way to the REST API.
package ui

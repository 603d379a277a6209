package page

import (
	"net/http"
	"testing"
)

// TestSend: a person sends a file, sees it in another tab, and completes an upload that a program
// has begun. No view has what a screen reader could not read.
func TestSend(t *testing.T) {
	needSystem(t)
	entity := newEntity()
	content, byHand := random(24*mib), random(8*mib)
	journey{
		script: "send.mjs",
		env:    map[string]string{"FILE": onDisk(t, "engine.bin", content), "NAME": "engine.bin"},
		steps: map[string]func([]string) any{
			"sent": func(args []string) any {
				waitPhase(t, entity, args[0], "Completed")
				compare(t, entity, args[0], content)
				return nil
			},
			"open": func(args []string) any {
				rest(t, http.MethodPut, entity, args[0]+"?upload=start", nil)
				rest(t, http.MethodPut, entity, args[0]+"?part=1", byHand)
				return nil
			},
			"completed": func(args []string) any {
				waitPhase(t, entity, args[0], "Completed")
				compare(t, entity, args[0], byHand)
				return nil
			},
		},
	}.run(t, entity)
}

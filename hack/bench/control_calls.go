package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// eventDelay is how long events take to be written, at most.
const eventDelay = 2 * time.Second

// counted are the resources whose requests count.
var counted = []string{"multipartuploads", "events", "filestores", "tokenreviews", "subjectaccessreviews", "leases"}

// oneObject leaves out the verbs that this program uses itself while it waits.
func oneObject(verb string) bool { return verb != "LIST" && verb != "WATCH" }

func everyVerb(string) bool { return true }

// requests reads how often the API server was asked for anything that has to do with uploads, and
// object storage by the operator.
func (b *testbed) requests(ctx context.Context, counts func(verb string) bool) (calls, error) {
	out, err := b.apiRequests(ctx, counts)
	if err != nil {
		return nil, err
	}
	return out, out.add(ctx, http.DefaultClient, b.system.Operator.MetricsURL+"/metrics", "iotfile_store_request_duration_seconds", func(label map[string]string) string {
		return storeCall + label["operation"]
	})
}

// apiRequests are those to the API server alone.
func (b *testbed) apiRequests(ctx context.Context, counts func(verb string) bool) (calls, error) {
	config := rest.CopyConfig(b.system.ControlPlane.RESTConfig())
	admin, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	out := calls{}
	return out, out.add(ctx, admin, config.Host+"/metrics", "apiserver_request_total", func(label map[string]string) string {
		if !slices.Contains(counted, label["resource"]) || !counts(label["verb"]) {
			return ""
		}
		return strings.TrimSuffix(fmt.Sprintf("%s %s/%s", label["verb"], label["resource"], label["subresource"]), "/")
	})
}

const storeCall = "object storage: "

// stage is a stretch of the lives of uploads.
type stage struct {
	// name of its column; empty for one that is not counted.
	name      string
	tenant    *tenant
	namespace string
	// directory of the files; those of "brief" are there after the first life.
	directory string
	// send are the requests that a client sends for each upload, as query and body.
	send [][2]string
	// until is what is waited for.
	until func([]v1alpha1.MultipartUpload) bool
	calls calls
}

// stages are the lives of uploads, one after the other.
func (c *control) stages() []*stage {
	start, complete := [][2]string{{"upload=start", ""}}, [][2]string{{"upload=complete", ""}}
	told := each(func(u *v1alpha1.MultipartUpload) bool { return u.Status.Progress != nil })
	released := each(func(u *v1alpha1.MultipartUpload) bool { return upload.Ended(u) && len(u.Finalizers) == 0 })
	gone := func(all []v1alpha1.MultipartUpload) bool { return len(all) == 0 }
	always := func([]v1alpha1.MultipartUpload) bool { return true }
	return []*stage{
		{name: "start", tenant: c.brief, namespace: "brief", send: start, until: always},
		{name: "two parts", tenant: c.brief, namespace: "brief", send: [][2]string{{"part=1", "one"}, {"part=1", "two"}}, until: told},
		{name: "complete", tenant: c.brief, namespace: "brief", send: complete, until: released},
		{name: "collected", tenant: c.brief, namespace: "brief", until: gone},
		{tenant: c.kept, namespace: "kept", send: start, until: always},
		{name: "complete with a body", tenant: c.kept, namespace: "kept", send: [][2]string{{"upload=complete", "body"}}, until: released},
		{tenant: c.brief, namespace: "brief", directory: "aborted", send: start, until: always},
		{name: "abort", tenant: c.brief, namespace: "brief", directory: "aborted", send: [][2]string{{"upload=abort", ""}}, until: gone},
		{tenant: c.expiring, namespace: "expiring", send: start, until: always},
		{name: "expire", tenant: c.expiring, namespace: "expiring", until: released},
	}
}

// countCalls leads uploads through their lives, all of them through one stage after the other, and
// prints what each stage costs an upload.
func (c *control) countCalls(ctx context.Context, uploads int) error {
	stages := c.stages()
	for _, st := range stages {
		if err := c.run(ctx, st, uploads); err != nil {
			return err
		}
	}
	printCalls(slices.DeleteFunc(stages, func(st *stage) bool { return st.name == "" }), uploads)
	return nil
}

func (c *control) run(ctx context.Context, st *stage, uploads int) error {
	before, err := c.testbed.requests(ctx, oneObject)
	if err != nil {
		return err
	}
	for i := range uploads {
		for _, r := range st.send {
			if _, err := st.tenant.put(ctx, fmt.Sprintf("counted%s/%d.bin", st.directory, i), r[0], r[1]); err != nil {
				return err
			}
		}
	}
	if err := c.await(ctx, st.namespace, "through with: "+st.name, st.until); err != nil {
		return err
	}
	if err := sleep(ctx, eventDelay); err != nil {
		return err
	}
	st.calls, err = c.testbed.requests(ctx, oneObject)
	for key := range st.calls {
		st.calls[key] -= before[key]
	}
	return err
}

// printCalls prints the calls for one upload, by stage; what a whole life is made of comes first.
func printCalls(stages []*stage, uploads int) {
	head, line := "", ""
	for _, st := range stages {
		head, line = head+" "+st.name+" |", line+"--:|"
	}
	fmt.Printf("\nCalls for one upload, of %d uploads one after the other:\n\n| call |%s whole life in parts |\n|---|%s--:|\n", uploads, head, line)
	for _, name := range called(stages) {
		printCallsRow(name, stages, uploads, func(of calls) float64 { return of[name] })
	}
	printCallsRow("**writes of MultipartUploads**", stages, uploads, uploadWrites)
}

// called are the names of the calls that any of the stages has made, in order.
func called(stages []*stage) []string {
	names := map[string]bool{}
	for _, st := range stages {
		for name, n := range st.calls {
			if n >= 1 {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// printCallsRow prints a number of calls for one upload, by stage, and its sum over a life.
func printCallsRow(name string, stages []*stage, uploads int, of func(calls) float64) {
	const life = 4 // the first stages are those of one life
	text, sum := "", 0.0
	for i, st := range stages {
		n := of(st.calls) / float64(uploads)
		if i < life {
			sum += n
		}
		text += cell(n)
	}
	fmt.Printf("| %s |%s%s\n", name, text, cell(sum))
}

// uploadWrites counts the calls that write MultipartUploads.
func uploadWrites(of calls) float64 {
	sum := 0.0
	for name, n := range of {
		if verb, kind, _ := strings.Cut(name, " "); verb != "GET" && strings.HasPrefix(kind, "multipartuploads") {
			sum += n
		}
	}
	return sum
}

func cell(n float64) string {
	if n == 0 {
		return " |"
	}
	return fmt.Sprintf(" %.2f |", n)
}

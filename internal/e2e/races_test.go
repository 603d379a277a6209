package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// racers is how many clients race for each version of a file.
const racers = 4

// races is how many races are run per store: IOTFILE_RACES, or a few.
func races(t *testing.T) int {
	t.Helper()
	s := os.Getenv("IOTFILE_RACES")
	if s == "" {
		return 20
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("IOTFILE_RACES is %q", s)
	}
	return n
}

// tally counts what races came to.
type tally struct{ races, winners, losers, several, mixed int }

// String is a line for the log.
func (c *tally) String() string {
	return fmt.Sprintf("%d races of %d clients through 2 replicas: %d winners, %d losers, %d races with several winners or none, %d mixed contents",
		c.races, racers, c.winners, c.losers, c.several, c.mixed)
}

// replicas are two operators on one control plane; one of them leads.
func replicas(t *testing.T) [2]*devcluster.Operator {
	t.Helper()
	options := system.options
	options.Name = "second"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	second, err := devcluster.StartOperator(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			showLog(second.LogPath)
		}
		_ = second.Stop()
	})
	return [2]*devcluster.Operator{system.operator, second}
}

// race is one version of a file that clients want to make at the same moment.
type race struct {
	*file
	replicas [2]*devcluster.Operator
	// version is the one that they replace, -1 for none yet.
	version int
}

// urlOf is the file's URL for one of the clients: they are spread over the replicas.
func (r *race) urlOf(client int, query string) string {
	return strings.Replace(r.url("files", query), system.operator.URL, r.replicas[client%len(r.replicas)].URL, 1)
}

func (r *race) header() []string {
	if r.version < 0 {
		return nil
	}
	return []string{"If-Match", strconv.Itoa(r.version)}
}

// run has each client send its content, the first ones as the end of the upload that is open.
func (r *race) run(t *testing.T, inParts int) (contents [racers][]byte, answers [racers]*answer) {
	t.Helper()
	errs := make([]error, racers)
	var group sync.WaitGroup
	for i := range racers {
		query := ""
		if i < inParts {
			query = "?upload=complete"
		}
		contents[i] = bytes.Repeat(fmt.Appendf(nil, "%08d-%d ", r.version, i), 2000+i)
		group.Go(func() {
			if i >= inParts && inParts > 0 {
				time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // an assembly takes longer, and wins now and then
			}
			answers[i], errs[i] = r.do(t.Context(), http.MethodPut, r.urlOf(i+r.version+1, query), contents[i], r.header()...)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return contents, answers
}

// judge counts what became of a race: one client has won, the others have got 409, and the file is
// the winner's.
func (r *race) judge(t *testing.T, count *tally, contents [racers][]byte, answers [racers]*answer) {
	t.Helper()
	success := 204
	if r.version < 0 {
		success = 201
	}
	var winners []int
	for i, a := range answers {
		switch a.status {
		case 409:
			count.losers++
		case success:
			winners = append(winners, i)
		default:
			t.Errorf("version %d: client %d got %d: %s", r.version+1, i, a.status, a.body)
		}
	}
	count.races++
	count.winners += len(winners)
	if len(winners) != 1 {
		count.several++
		t.Fatalf("version %d: the winners are %v", r.version+1, winners)
	}
	got := r.must(t, 200, http.MethodGet, "", nil)
	if !bytes.Equal(got.body, contents[winners[0]]) || got.header.Get("ETag") != strconv.Itoa(r.version+1) {
		count.mixed++
		t.Errorf("version %d: the file is not the winner's: ETag %s, %d bytes", r.version+1, got.header.Get("ETag"), len(got.body))
	}
}

// TestRaces: of clients that replace one version of a file at the same moment, through two
// replicas, exactly one wins; the others get 409, and the content is the winner's, whole.
func TestRaces(t *testing.T) {
	both := replicas(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		r := race{file: tn.newFile("raced.bin"), replicas: both, version: -1}
		count := &tally{}
		defer func() { t.Log(count) }()
		for range races(t) {
			contents, answers := r.run(t, 0)
			r.judge(t, count, contents, answers)
			r.version++
		}
	})
}

// TestUploadRacesPut: the same where one of the clients has sent its file in parts, and completes
// it.
func TestUploadRacesPut(t *testing.T) {
	both := replicas(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		r := race{file: tn.newFile("raced-in-parts.bin"), replicas: both}
		count, inParts := &tally{}, 0
		defer func() { t.Logf("%s; %d were won in parts", count, inParts) }()
		r.must(t, 201, http.MethodPut, "", []byte("first"))
		for range races(t) {
			r.mustAt(t, 204, http.MethodPut, r.urlOf(r.version, "?upload=start"), nil, r.header()...)
			contents, answers := r.run(t, 1)
			r.judge(t, count, contents, answers)
			if answers[0].status == 204 {
				inParts++
			} else {
				r.must(t, 204, http.MethodPut, "?upload=abort", nil)
			}
			r.version++
		}
	})
}

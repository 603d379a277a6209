package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const (
	// watchEvery is how often -w asks and draws on a terminal, logEvery how often elsewhere.
	// Records tell of progress each 15 seconds at most.
	watchEvery = 2 * time.Second
	logEvery   = 15 * time.Second
)

// uploadsOptions are the flags of uploads.
type uploadsOptions struct {
	output
	watch, everywhere bool
}

func (e *environment) uploads() *cobra.Command {
	o := &uploadsOptions{}
	cmd := &cobra.Command{
		Use:   "uploads",
		Short: "List the uploads that are open",
		Long: `List the uploads of a namespace that are open, with how much has arrived, how fast it does and how long the rest takes
at that rate. It reads MultipartUploads with the Kubernetes API, and so needs the right to list them: the ClusterRole
iotfile-upload-viewer, which is part of view. Progress is recorded each 15 seconds at most.`,
		Example: examples(`
kubectl iotfile uploads -n team-a
# all the time, of all namespaces
kubectl iotfile uploads -w -A`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.runUploads(cmd.Context(), o) },
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "Show them again and again, until an interrupt")
	cmd.Flags().BoolVarP(&o.everywhere, "all-namespaces", "A", false, "Of all namespaces")
	o.add(cmd, formatName)
	return cmd
}

// uploadLister reads uploads, and remembers how far they were.
type uploadLister struct {
	records dynamic.ResourceInterface
	rates   map[string]*report.Rate
}

func (e *environment) runUploads(ctx context.Context, o *uploadsOptions) error {
	if o.watch && o.format != formatTable {
		return usagef("-w shows a table, and takes no -o")
	}
	config, namespace, err := e.flags.Kube()
	if err != nil {
		return err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	if o.everywhere {
		namespace = ""
	}
	l := &uploadLister{kube.Resource(v1alpha1.GroupVersion.WithResource("multipartuploads")).Namespace(namespace), map[string]*report.Rate{}}
	for {
		list, open, err := l.list(ctx)
		if err != nil {
			return err
		}
		if err := e.showUploads(o, list, open, l); err != nil || !o.watch {
			return err
		}
		pause := logEvery
		if report.IsTerminal(e.Out) {
			pause = watchEvery
		}
		select {
		case <-ctx.Done():
			return nil // that is how a watch ends
		case <-time.After(pause):
		}
	}
}

// list gives the open uploads: the list as programs get it, and its items.
func (l *uploadLister) list(ctx context.Context) (*unstructured.UnstructuredList, []*v1alpha1.MultipartUpload, error) {
	list, err := l.records.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("list MultipartUploads: %w", err)
	}
	var open []*v1alpha1.MultipartUpload
	items := list.Items
	list.Items = nil
	for _, item := range items {
		u := &v1alpha1.MultipartUpload{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, u); err != nil {
			return nil, nil, err
		}
		if upload.Open(u) {
			open, list.Items = append(open, u), append(list.Items, item)
		}
	}
	slices.SortFunc(open, func(a, b *v1alpha1.MultipartUpload) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Spec.EntityID, b.Spec.EntityID), cmp.Compare(a.Spec.Path, b.Spec.Path))
	})
	return list, open, nil
}

func (e *environment) showUploads(o *uploadsOptions, list *unstructured.UnstructuredList, open []*v1alpha1.MultipartUpload, l *uploadLister) error {
	if o.objects() {
		p, err := o.printer()
		if err != nil {
			return err
		}
		return p.PrintObj(list, e.Out)
	}
	if o.format == formatName {
		for _, u := range open {
			fmt.Fprintln(e.Out, e.plainName(u.Spec.EntityID+"/"+u.Spec.Path))
		}
		return nil
	}
	if o.watch && report.IsTerminal(e.Out) {
		fmt.Fprint(e.Out, "\x1b[H\x1b[2J") // to the upper left corner of an empty screen
	}
	if len(open) == 0 {
		fmt.Fprintln(e.Err, "No upload is open.")
		return nil
	}
	head := []string{"FILE", "STATE", "PARTS", "ARRIVED", "OF", "RATE", "LEFT", "ENDS IN"}
	if o.everywhere {
		head = append([]string{"NAMESPACE"}, head...)
	}
	t := newTable(e.Out, head...)
	for _, u := range open {
		cells := l.cells(u, time.Now())
		if o.everywhere {
			cells = append([]string{u.Namespace}, cells...)
		}
		t.row(cells...)
	}
	return t.flush()
}

// cells are those of an upload in the table.
func (l *uploadLister) cells(u *v1alpha1.MultipartUpload, now time.Time) []string {
	parts, arrived, of, pace, left, ends := "-", "-", "-", "-", "-", "-"
	perSecond := l.rate(u)
	if p := u.Status.Progress; p != nil && p.Parts != nil && p.Bytes != nil {
		parts, arrived = strconv.Itoa(int(*p.Parts)), report.Size(*p.Bytes)
		if u.Spec.Size != nil {
			of = report.Size(*u.Spec.Size)
			if d, ok := report.Left(*u.Spec.Size-*p.Bytes, perSecond); ok {
				left = report.Duration(d)
			}
		}
	}
	if perSecond >= 1 {
		pace = report.Size(int64(perSecond)) + "/s"
	}
	if t := u.Status.ExpirationTime; t != nil {
		ends = report.Duration(max(0, t.Sub(now)))
	}
	return []string{u.Spec.EntityID + "/" + u.Spec.Path, cmp.Or(string(u.Status.Phase), "-"), parts, arrived, of, pace, left, ends}
}

// rate is how fast the upload arrives: over the times that its record has told of while this
// looked, or since its start where that was one time. The times are those of the record, so that
// the clock of this machine does not count.
func (l *uploadLister) rate(u *v1alpha1.MultipartUpload) float64 {
	p := u.Status.Progress
	if p == nil || p.Bytes == nil || p.LastPartTime == nil || u.Status.StartTime == nil {
		return 0
	}
	r := l.rates[string(u.UID)]
	if r == nil {
		r = &report.Rate{}
		l.rates[string(u.UID)] = r
	}
	r.Add(p.LastPartTime.Time, *p.Bytes)
	if seen := r.PerSecond(); seen > 0 {
		return seen
	}
	since := &report.Rate{}
	since.Add(u.Status.StartTime.Time, 0)
	since.Add(p.LastPartTime.Time, *p.Bytes)
	return since.PerSecond()
}

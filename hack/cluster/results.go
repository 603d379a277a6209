package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// uploadResults runs the Jobs of docs/examples, in which the command line uploads what another
// container has made, and gets the files back from outside.
func (s *suite) uploadResults(ctx context.Context) (string, error) {
	files := 0
	for _, name := range []string{"results_job.yaml", "results_sidecar.yaml"} {
		n, err := s.uploadResultsOf(ctx, name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		files += n
	}
	return fmt.Sprintf("%d files, identical", files), nil
}

func (s *suite) uploadResultsOf(ctx context.Context, name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(s.Root, "docs", "examples", name))
	if err != nil {
		return 0, err
	}
	job := &batchv1.Job{}
	if err := yaml.UnmarshalStrict(text, job); err != nil {
		return 0, err
	}
	destination, err := inCluster(&job.Spec.Template.Spec, s.Release.CLIImage)
	if err != nil {
		return 0, err
	}
	jobs := s.client.BatchV1().Jobs(job.Namespace)
	if _, err := jobs.Create(ctx, job, metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	err = eventually(ctx, "the Job "+job.Name+" succeeds", func(ctx context.Context) error {
		now, err := jobs.Get(ctx, job.Name, metav1.GetOptions{})
		if err == nil && now.Status.Succeeded == 0 {
			err = fmt.Errorf("it has %d active pods, and %d that failed", now.Status.Active, now.Status.Failed)
		}
		return err
	})
	if err != nil {
		return 0, errors.Join(err, s.describeJob(ctx, job))
	}
	made, err := s.kubectl(ctx, "", "logs", "--namespace="+job.Namespace, "job/"+job.Name, "--container=work")
	if err != nil {
		return 0, err
	}
	if _, err := s.kubectl(ctx, "", "delete", "--namespace="+job.Namespace, "job/"+job.Name, "--cascade=foreground", "--timeout=180s"); err != nil {
		return 0, err
	}
	return s.compareResults(ctx, destination, made)
}

// inCluster has a pod of an example use images that are here: the released command line, and for
// the work one that tells what it has made. It returns where the files go.
func inCluster(pod *corev1.PodSpec, cliImage string) (destination string, err error) {
	replaced := 0
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			c := &containers[i]
			switch c.Name {
			case "work":
				c.Image, c.Command, c.Args, c.ImagePullPolicy = probeImage, nil, []string{"results", "/work/results", "/work/done"}, corev1.PullNever
			case "upload":
				c.Image, c.ImagePullPolicy = cliImage, corev1.PullIfNotPresent
				// An entity of its own: the other way of installation has left files in the bucket.
				_, below, _ := strings.Cut(c.Args[len(c.Args)-1], "/")
				destination = newEntity() + "/" + below
				c.Args[len(c.Args)-1] = destination
			}
			replaced++
		}
	}
	if replaced != 2 || destination == "" {
		return "", errors.New("the example has other containers than work and upload")
	}
	return destination, nil
}

// compareResults gets what a Job has uploaded, and compares it with what it says that it has made.
func (s *suite) compareResults(ctx context.Context, destination, made string) (int, error) {
	kubeconfig, err := s.developer(ctx)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(s.scratch, "results")
	defer func() { _ = os.RemoveAll(dir) }()
	if err := s.developerRuns(ctx, kubeconfig, nil, "get", "-r", destination, dir); err != nil {
		return 0, err
	}
	files := 0
	for line := range strings.Lines(made) {
		var file struct{ Name, SHA256 string }
		if err := json.Unmarshal([]byte(line), &file); err != nil {
			return 0, fmt.Errorf("%s: %w", line, err)
		}
		if got, err := digest(filepath.Join(dir, file.Name)); err != nil || got != file.SHA256 {
			return 0, errors.Join(fmt.Errorf("%s has the digest %s, and not %s", file.Name, got, file.SHA256), err)
		}
		files++
	}
	if files == 0 {
		return 0, errors.New("it has made nothing")
	}
	return files, nil
}

// describeJob is what explains a Job that does not succeed.
func (s *suite) describeJob(ctx context.Context, job *batchv1.Job) error {
	ctx = context.WithoutCancel(ctx)
	pods, err := s.kubectl(ctx, "", "describe", "pods", "--namespace="+job.Namespace, "--selector=job-name="+job.Name)
	logs, err2 := s.kubectl(ctx, "", "logs", "--namespace="+job.Namespace, "--selector=job-name="+job.Name, "--all-containers", "--tail=20")
	return errors.Join(errors.New(pods+logs), err, err2)
}

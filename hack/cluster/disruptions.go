package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// upgrade opens an upload, goes from the earlier operator to this one, kinds and all, and finishes
// the upload.
func (s *suite) upgrade(w way) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		entity, path := newEntity(), "over/an/upgrade.bin"
		if _, err := s.probe(ctx, teamNamespace, "begin", entity, path); err != nil {
			return "", err
		}
		if err := w.install(ctx, newTag); err != nil {
			return "", err
		}
		if err := s.rolledOut(ctx); err != nil {
			return "", err
		}
		pods, err := s.operatorPods(ctx)
		if err != nil {
			return "", err
		}
		for _, pod := range pods {
			if image := pod.Spec.Containers[0].Image; image != s.Release.Image {
				return "", fmt.Errorf("the pod %s has the image %s", pod.Name, image)
			}
		}
		if _, err := s.probe(ctx, teamNamespace, "finish", entity, path); err != nil {
			return "", err
		}
		return "an upload that was open is completed", s.consentAfterwards(ctx)
	}
}

// consentAfterwards has the Secret of a store that went on without consent give it.
func (s *suite) consentAfterwards(ctx context.Context) error {
	if !s.unasked {
		return nil
	}
	if _, err := s.kubectl(ctx, "", "wait", "--for=condition=ConsentOverdue", "filestore/main", "--timeout=180s"); err != nil {
		return err
	}
	if err := s.consent(ctx, "=main"); err != nil {
		return err
	}
	_, err := s.kubectl(ctx, "", "wait", "--for=jsonpath={.status.secret.consent}=Given", "filestore/main", "--timeout=180s")
	return err
}

// rollOut replaces all pods, as a change of the Deployment does.
func (s *suite) rollOut(ctx context.Context) (string, error) {
	if _, err := s.kubectl(ctx, "", "rollout", "restart", "--namespace="+operatorNamespace, "deployment/"+deployment); err != nil {
		return "", err
	}
	return "both pods replaced", s.rolledOut(ctx)
}

// changeValue upgrades the release to what differs in a flag, which replaces the pods.
func (s *suite) changeValue(ctx context.Context) (string, error) {
	if err := s.chart(ctx, "upgrade", "--set", "extraArgs[0]=--max-parts-in-flight=100"); err != nil {
		return "", err
	}
	if err := s.rolledOut(ctx); err != nil {
		return "", err
	}
	pods, err := s.operatorPods(ctx)
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		if args := strings.Join(pod.Spec.Containers[0].Args, " "); !strings.Contains(args, "--max-parts-in-flight=100") {
			return "", fmt.Errorf("the pod %s has the flags %s", pod.Name, args)
		}
	}
	return "both pods replaced", nil
}

// evictAll takes one pod after the other away, as the drain of a node does. While the first has no
// successor, the disruption budget refuses the second.
func (s *suite) evictAll(ctx context.Context) (string, error) {
	pods, err := s.operatorPods(ctx)
	if err != nil {
		return "", err
	}
	if len(pods) != 2 {
		return "", fmt.Errorf("there are %d pods", len(pods))
	}
	first, second := pods[0], pods[1]
	if err := eventually(ctx, "the first eviction is allowed", func(ctx context.Context) error { return s.evict(ctx, first) }); err != nil {
		return "", err
	}
	if err := s.evict(ctx, second); !apierrors.IsTooManyRequests(err) {
		return "", errors.Join(errors.New("the disruption budget did not refuse the second eviction"), err)
	}
	if err := eventually(ctx, "the second eviction is allowed", func(ctx context.Context) error { return s.evict(ctx, second) }); err != nil {
		return "", err
	}
	for _, pod := range pods {
		if err := s.podGone(ctx, operatorNamespace, pod.Name); err != nil {
			return "", err
		}
	}
	return "the second one only when the first had a successor", s.rolledOut(ctx)
}

func (s *suite) evict(ctx context.Context, pod corev1.Pod) error {
	return s.client.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}})
}

// killLeader ends the process of the pod that holds the lease with SIGKILL, and waits for another
// leader.
func (s *suite) killLeader(ctx context.Context) (string, error) {
	holder, err := s.leaseHolder(ctx)
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(holder, "_")
	pod, err := s.client.CoreV1().Pods(operatorNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := s.kill(ctx, *pod); err != nil {
		return "", err
	}
	s.load.killed(time.Now())
	err = eventually(ctx, "another leader", func(ctx context.Context) error {
		now, err := s.leaseHolder(ctx)
		if err == nil && now == holder {
			err = errors.New("the lease is the dead one's")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	headless := time.Since(began)
	err = eventually(ctx, "the pod is started again", func(ctx context.Context) error {
		pod, err := s.client.CoreV1().Pods(operatorNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if c := pod.Status.ContainerStatuses[0]; !c.Ready || c.RestartCount == 0 {
			return fmt.Errorf("ready: %v, restarts: %d", c.Ready, c.RestartCount)
		}
		return nil
	})
	return fmt.Sprintf("another one after %.1f s", headless.Seconds()), err
}

// kill ends the process of a pod with SIGKILL.
func (s *suite) kill(ctx context.Context, pod corev1.Pod) error {
	id := strings.TrimPrefix(pod.Status.ContainerStatuses[0].ContainerID, "containerd://")
	_, err := s.ctr(ctx, "tasks", "kill", "--signal=SIGKILL", id)
	return err
}

// leaseHolder is who holds the lease: the name of a pod, and what tells its processes apart.
func (s *suite) leaseHolder(ctx context.Context) (string, error) {
	lease, err := s.client.CoordinationV1().Leases(operatorNamespace).Get(ctx, "iotfile-operator", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return "", errors.New("nobody holds the lease")
	}
	return *lease.Spec.HolderIdentity, nil
}

// applyAgain applies what is applied already, which must change nothing. What else may change the
// same objects at that moment, such as a Deployment's status, has come to rest soon.
func (s *suite) applyAgain(ctx context.Context) (string, error) {
	err := eventually(ctx, "the same manifests change nothing", func(ctx context.Context) error {
		before, err := s.versions(ctx)
		if err != nil {
			return err
		}
		if err := s.applyManifests(ctx, newTag); err != nil {
			return err
		}
		after, err := s.versions(ctx)
		if err == nil && before != after {
			err = fmt.Errorf("before:\n%s\nand after:\n%s", before, after)
		}
		return err
	})
	return "no object has another version", err
}

// versions are those of all that is installed.
func (s *suite) versions(ctx context.Context) (string, error) {
	return s.kubectl(ctx, "", "get", "-f", s.Release.Manifests, "-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
}

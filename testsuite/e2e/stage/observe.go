// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Seen is a state of the route that was observed.
type Seen struct {
	At time.Time
	// Weights of the backends by Service name, as written.
	Weights map[string]int
	// Candidate is the share of the backend that is not the root Service, 0 to 100.
	Candidate int
}

// Observer follows what the router shifts from outside, whatever Slipway says about it.
type Observer struct {
	stop chan struct{}
	mu   sync.Mutex
	seen []Seen
	// every is seen with what changed no share, such as weights that do not sum to 100.
	every []Seen
}

// observe follows one object of the shop; what it does not find gives the candidate nothing.
func (s *Stage) observe(ctx context.Context, f Front, shop *Shop) (*Observer, error) {
	o := &Observer{stop: make(chan struct{})}
	resource, name := f.watched(shop.Name)
	objects := s.Objects.Resource(resource).Namespace(shop.Namespace)
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) {
			l.FieldSelector = only
			return objects.List(ctx, l)
		},
		WatchFuncWithContext: func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) {
			l.FieldSelector = only
			return objects.Watch(ctx, l)
		},
	}
	note := func(object any) {
		if r, ok := object.(*unstructured.Unstructured); ok {
			o.note(f.weights(r, shop.Name), shop.Name)
		}
	}
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source, ObjectType: &unstructured.Unstructured{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: note, UpdateFunc: func(_, now any) { note(now) },
			DeleteFunc: func(any) { o.note(map[string]int{shop.Name: 100}, shop.Name) },
		},
	})
	o.note(map[string]int{shop.Name: 100}, shop.Name) // an object beside the team's is not there yet
	go controller.Run(o.stop)
	if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
		return nil, fmt.Errorf("watch %s %s/%s: %w", resource.Resource, shop.Namespace, name, ctx.Err())
	}
	return o, nil
}

// note keeps a state that differs from the one before it.
func (o *Observer) note(weights map[string]int, root string) {
	now := Seen{At: time.Now(), Weights: weights}
	sum := 0
	for name, w := range weights {
		sum += w
		if name != root {
			now.Candidate += w
		}
	}
	if sum > 0 {
		now.Candidate = 100 * now.Candidate / sum
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.every = append(o.every, now)
	if n := len(o.seen); n == 0 || o.seen[n-1].Candidate != now.Candidate {
		o.seen = append(o.seen, now)
	}
}

// Every is each state that was written since t, whether or not it changed the candidate's share.
func (o *Observer) Every(t time.Time) []Seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.every), func(s Seen) bool { return s.At.Before(t) })
}

// Since are the states that were seen after t.
func (o *Observer) Since(t time.Time) []Seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.seen), func(s Seen) bool { return s.At.Before(t) })
}

// Shares are the candidate's shares that were seen after t, in their order.
func (o *Observer) Shares(t time.Time) []int {
	var out []int
	for _, s := range o.Since(t) {
		out = append(out, s.Candidate)
	}
	return out
}

// Stop ends the watch.
func (o *Observer) Stop() { close(o.stop) }

// PodCount counts the pods that are made in a namespace.
type PodCount struct {
	watch watch.Interface
	made  chan int
}

// CountPods begins to count.
func (p *Shop) CountPods(ctx context.Context) (*PodCount, error) {
	pods := p.Stage.Kube.CoreV1().Pods(p.Namespace)
	now, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("count pods of %s: %w", p.Name, err)
	}
	w, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: now.ResourceVersion})
	if err != nil {
		return nil, fmt.Errorf("count pods of %s: %w", p.Name, err)
	}
	c := &PodCount{watch: w, made: make(chan int, 1)}
	go func() {
		n := 0
		for e := range w.ResultChan() {
			if e.Type == watch.Added {
				n++
			}
		}
		c.made <- n
	}()
	return c, nil
}

// Stop returns how many were made since.
func (c *PodCount) Stop() int {
	c.watch.Stop()
	return <-c.made
}

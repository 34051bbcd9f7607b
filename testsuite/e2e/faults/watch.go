// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// Pods is how many pods of a Deployment were ready from a moment on.
type Pods struct {
	At         time.Time
	Deployment string
	Ready      int32
}

// podWatch follows the Deployments of a shop from outside.
type podWatch struct {
	watch watch.Interface
	done  chan struct{}
	mu    sync.Mutex
	seen  []Pods
}

func watchPods(ctx context.Context, shop *stage.Shop) (*podWatch, error) {
	deployments := shop.Stage.Kube.AppsV1().Deployments(shop.Namespace)
	now, err := deployments.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("watch pods of %s: %w", shop.Name, err)
	}
	w, err := deployments.Watch(ctx, metav1.ListOptions{ResourceVersion: now.ResourceVersion})
	if err != nil {
		return nil, fmt.Errorf("watch pods of %s: %w", shop.Name, err)
	}
	p := &podWatch{watch: w, done: make(chan struct{})}
	for i := range now.Items {
		p.note(&now.Items[i], false)
	}
	go func() {
		defer close(p.done)
		for e := range w.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok {
				p.note(d, e.Type == watch.Deleted)
			}
		}
	}()
	return p, nil
}

func (p *podWatch) note(d *appsv1.Deployment, gone bool) {
	now := Pods{At: time.Now(), Deployment: d.Name, Ready: d.Status.ReadyReplicas}
	if gone {
		now.Ready = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, now)
}

// stop returns all that was seen.
func (p *podWatch) stop() []Pods {
	p.watch.Stop()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

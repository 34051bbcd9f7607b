// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"time"
)

// send writes one part after the other until all is written at the end.
func (r *Records) send() {
	for {
		p, ending := r.take()
		switch {
		case p != nil:
			r.deliver(p)
		case ending:
			return
		default:
			select {
			case <-r.more:
			case <-r.ending:
			case <-r.clock.After(time.Second): // a part may have become old enough
			}
		}
	}
}

// take is a part that it is time to write; nil: there is none.
func (r *Records) take() (p *part, ending bool) {
	select {
	case <-r.ending:
		ending = true
	default:
	}
	if r.ended.Err() != nil {
		return nil, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	for release, p := range r.open {
		if ending || now.Sub(p.began) >= gather {
			r.seal(release)
		}
	}
	if len(r.sealed) == 0 {
		return nil, ending
	}
	p, r.sealed = r.sealed[0], r.sealed[1:]
	return p, ending
}

// deliver writes a part, however often it takes.
func (r *Records) deliver(p *part) {
	ending := r.ending
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		ctx, done := context.WithTimeout(r.ended, patience)
		err := r.bucket.Put(ctx, p.key, p.body)
		done()
		r.heard(p, err)
		if err == nil {
			return
		}
		select {
		case <-r.ended.Done():
			return
		case <-ending: // there is little time left
			ending, pause = nil, firstPause/2
		case <-r.clock.After(pause):
		}
	}
}

// heard takes note of what the store has said, and tells when that has changed.
func (r *Records) heard(p *part, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.away
	r.away = err
	switch {
	case err == nil:
		r.held -= len(p.body)
		if was != nil {
			r.logger.Info("records are written again", "store", r.bucket.String(), "lost", r.lost)
			r.lost = 0
		}
	case was == nil && r.ended.Err() == nil:
		r.logger.Error("records cannot be written; they wait in memory", "store", r.bucket.String(), "error", err)
	}
}

package console

import (
	"strings"
	"time"

	"signet/internal/authroute"
	"signet/internal/db"
)

// chartDays is how many days the chart shows.
const chartDays = 14

type verificationsPage struct {
	Rows    []authroute.Verification
	Results []authroute.Result
	Chart   chart
}

func (c *Console) verifications(q *request) error {
	f := authroute.Filter{
		Domain: strings.ToLower(clean(q.param("domain"))), Sender: clean(q.param("q")), KeyID: clean(q.param("key")),
		MessageID: clean(q.param("message")), Result: authroute.Result(q.param("result")),
	}
	order, err := db.ReadOrder(q.param("sort"), "-time", map[string]string{"time": ""})
	if err != nil {
		return err
	}
	f.Oldest = !order.Down
	if f.From, err = day("since", q.param("since"), 0); err != nil {
		return err
	}
	if f.To, err = day("until", q.param("until"), 1); err != nil {
		return err
	}
	rows, next, err := c.Verdicts.Search(q.Context(), f, q.param("cursor"), perPage)
	if err != nil {
		return err
	}
	p := verificationsPage{Rows: rows, Results: results}
	if len(q.without()) == 0 {
		if p.Chart, err = c.chart(q); err != nil {
			return err
		}
	}
	return q.show("verifications", p, next)
}

// chart is bars of one day each, in the units of its drawing.
type chart struct {
	Days  []chartDay
	Total int
}

type chartDay struct {
	Label     string
	X, Middle int
	Top       float64     // of the number above the bar
	Parts     []chartPart // from the ground up
	Total     int
	authroute.Counts
}

type chartPart struct {
	Result authroute.Result
	Y, H   float64
}

// chartHeight is the height of the highest bar, barWidth its width, barStep the distance
// of two, and barGap that of a bar and the number above it.
const (
	chartHeight = 100.0
	barWidth    = 32
	barStep     = 40
	barGap      = 4
)

func (c *Console) chart(q *request) (chart, error) {
	today := c.o.Now().UTC().Truncate(24 * time.Hour)
	var all chart
	highest := 1
	for i := range chartDays {
		from := today.AddDate(0, 0, i-chartDays+1)
		counts, err := c.Verdicts.Count(q.Context(), from, from.AddDate(0, 0, 1))
		if err != nil {
			return chart{}, err
		}
		n := counts.Total()
		all.Days = append(all.Days, chartDay{Label: from.Format("01-02"), X: i * barStep, Middle: i*barStep + barWidth/2, Total: n, Counts: counts})
		all.Total += n
		highest = max(highest, n)
	}
	for i := range all.Days {
		d := &all.Days[i]
		y := chartHeight
		for _, r := range results {
			h := float64(d.Counts[r]) * chartHeight / float64(highest)
			y -= h
			if h > 0 {
				d.Parts = append(d.Parts, chartPart{r, y, h})
			}
		}
		d.Top = y - barGap
	}
	return all, nil
}

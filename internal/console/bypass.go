package console

import (
	"slices"
	"strconv"
	"time"

	"signet/internal/authroute"
)

type bypassPage struct {
	On    bool
	State authroute.BypassState
}

func (c *Console) bypass(q *request) error {
	state, on := c.Bypass.State()
	return q.show("bypass", bypassPage{on, state}, "")
}

// bypassHours are how long a bypass can last.
var bypassHours = []int{1, 2, 4, 8, 24}

func (c *Console) askBypass(q *request) (form, error) {
	var hours []option
	for _, h := range bypassHours {
		hours = append(hours, option{Value: strconv.Itoa(h), Text: q.texts.N("console.bypass.hours", h)})
	}
	return form{
		Back: "/console/bypass", API: "PUT /api/v1/authroute/bypass",
		Command: cli("authroute bypass").flag("for", "1h").flag("reason", "the key server is down"),
		Fields: []input{
			{Name: "reason", Label: q.t("console.field.reason"), Hint: q.t("console.bypass.reasonHint"), Kind: "text", Required: true},
			{Name: "hours", Label: q.t("console.bypass.for"), Kind: "select", Options: hours},
		},
	}, nil
}

func (c *Console) startBypass(q *request) (outcome, error) {
	hours, err := strconv.Atoi(q.field("hours"))
	if err != nil || !slices.Contains(bypassHours, hours) {
		return outcome{}, errNumber.At("hours")
	}
	return outcome{to: "/console/bypass"}, c.Bypass.Start(q.Context(), time.Duration(hours)*time.Hour, q.field("reason"))
}

func (c *Console) askStopBypass(*request) (form, error) {
	return form{Back: "/console/bypass", API: "DELETE /api/v1/authroute/bypass", Command: command{words: cli("authroute bypass --stop").words}}, nil
}

func (c *Console) stopBypass(q *request) (outcome, error) {
	return outcome{to: "/console/bypass"}, c.Bypass.Stop(q.Context())
}

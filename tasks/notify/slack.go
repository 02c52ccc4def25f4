package notify

import "strings"

// Slack's incoming web hooks take blocks of text; Mattermost and Rocket.Chat show
// the fallback text. Limits: https://docs.slack.dev/reference/block-kit/blocks/section-block
// (text of at most 3000 characters).
type slackMessage struct {
	Text   string       `json:"text"` // where blocks cannot be shown, and in the notification
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

const maxSection = 2900 // characters, which leaves room for the fence

func slack(m Message) slackMessage {
	sign := map[Event]string{Start: ":arrow_forward:", Success: ":white_check_mark:", Failure: ":x:"}[m.Event]
	out := slackMessage{Text: slackEscape(m.headline()), Blocks: []slackBlock{section(sign + " *" + slackEscape(m.headline()) + "*")}}
	if m.Error != "" {
		out.Blocks = append(out.Blocks, fenced(m.Error))
	}
	if m.Event != Start {
		out.Blocks = append(out.Blocks, fenced(strings.Join(m.lines(), "\n")))
	}
	out.Blocks = append(out.Blocks, slackBlock{Type: "context", Elements: []slackText{{Type: "mrkdwn", Text: slackEscape(m.who())}}})
	return out
}

func section(text string) slackBlock {
	return slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: text}}
}

// fenced shows text as it is. A fence inside would end the block early.
func fenced(text string) slackBlock {
	text = slackEscape(strings.ReplaceAll(text, "```", "'''"))
	if runes := []rune(text); len(runes) > maxSection {
		text = string(runes[:maxSection]) + "…"
	}
	return section("```\n" + text + "\n```")
}

// slackEscape replaces the three characters that Slack gives a meaning
// (https://docs.slack.dev/messaging/formatting-message-text#escaping).
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

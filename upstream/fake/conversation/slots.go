package conversation

import (
	"strconv"
	"time"

	"revox-graphql/upstream/fake/dice"
)

// maxSlots bounds the slots of one script, the builtin ones among them.
const maxSlots = 64

// The builtin slots. Number 0 is no slot.
const (
	_ = iota
	slotFirst
	slotLast
	slotFull
	slotTitle // Ms., Madame, …
	slotEnding
	slotAgent
	slotOther
	slotFriend
	slotStreet
	slotDigits
	slotRef
	slotToken
	slotBirth
	slotBirthISO
	slotToday
	slotPast
	slotPastISO
	slotDay // and for the second and third appointment the slots after it, in the same way
	slotDate
	slotTime
	slotUntil
	slotAt
	slotTo
	slotISO
	appointmentSlots = slotISO - slotDay + 1
	builtinSlots     = slotDay + 3*appointmentSlots
)

// builtins are the names of the builtin slots in scripts.
var builtins = [builtinSlots]string{
	slotFirst: "first", slotLast: "last", slotFull: "full", slotTitle: "title", // the person who is called
	slotEnding:   "e",                            // what this person's gender adds to a French or Spanish adjective
	slotAgent:    "agent",                        // the first name that the voice agent goes by
	slotOther:    "other",                        // the last name of another person
	slotFriend:   "friend",                       // and the first name of yet another
	slotStreet:   "street",                       // with a house number
	slotDigits:   "digits",                       // the last two of the phone number
	slotRef:      "ref",                          // a reference, KD-4417
	slotToken:    "token",                        // the id of something in a database
	slotBirth:    "birth",                        // the date of birth as it is said
	slotBirthISO: "birthiso",                     // and as it is written
	slotToday:    "today",                        // the date of the call as it is written
	slotPast:     "past", slotPastISO: "pastiso", // a day of the week before, as it is said and as it is written

	// Three appointments in the two weeks after the call, in order of time: the day as it is said and as it is written,
	// the time and the time two hours later as they are said and then as they are written, and all of it as written.
	slotDay: "day1", slotDate: "date1", slotTime: "time1", slotUntil: "until1",
	slotAt: "at1", slotTo: "to1", slotISO: "iso1",
	slotDay + 1*appointmentSlots: "day2", slotDate + 1*appointmentSlots: "date2",
	slotTime + 1*appointmentSlots: "time2", slotUntil + 1*appointmentSlots: "until2",
	slotAt + 1*appointmentSlots: "at2", slotTo + 1*appointmentSlots: "to2", slotISO + 1*appointmentSlots: "iso2",
	slotDay + 2*appointmentSlots: "day3", slotDate + 2*appointmentSlots: "date3",
	slotTime + 2*appointmentSlots: "time3", slotUntil + 2*appointmentSlots: "until3",
	slotAt + 2*appointmentSlots: "at3", slotTo + 2*appointmentSlots: "to3", slotISO + 2*appointmentSlots: "iso3",
}

// fill chooses a random value for every slot.
func (t *Talk) fill(s *script, arrived int64) {
	d, v, l := &t.dice, &t.values, &locales[s.lang]
	sex := d.Below(2)
	v[slotFirst], v[slotLast] = dice.Pick(d, l.first[sex]), dice.Pick(d, l.last)
	v[slotFull] = v[slotFirst] + " " + v[slotLast]
	v[slotTitle], v[slotEnding] = l.title[sex], l.ending[sex]
	v[slotAgent], v[slotOther] = dice.Pick(d, l.agents), dice.Pick(d, l.last)
	for v[slotOther] == v[slotLast] {
		v[slotOther] = dice.Pick(d, l.last)
	}
	v[slotFriend] = dice.Pick(d, l.first[d.Below(2)])
	for v[slotFriend] == v[slotFirst] {
		v[slotFriend] = dice.Pick(d, l.first[d.Below(2)])
	}
	v[slotStreet] = s.lang.address(dice.Pick(d, l.streets), d.Between(1, 148))
	v[slotDigits] = t.Phone[len(t.Phone)-2:]
	v[slotRef] = string([]byte{letter(d), letter(d), '-'}) + strconv.Itoa(d.Between(1_000, 9_999))
	v[slotToken] = strconv.FormatUint(d.Next()|1<<63, 36)[:10]

	today := time.UnixMilli(arrived).UTC()
	birth := time.Date(d.Between(1941, 1986), time.Month(d.Between(1, 12)), d.Between(1, 28), 0, 0, 0, 0, time.UTC)
	v[slotBirth], v[slotBirthISO] = s.lang.born(birth), birth.Format(time.DateOnly)
	past := today.AddDate(0, 0, -d.Between(2, 6))
	v[slotPast], v[slotPastISO] = s.lang.weekday(past), past.Format(time.DateOnly)
	v[slotToday] = today.Format(time.DateOnly)

	ahead := 0
	for n := range 3 {
		ahead += d.Between(1, 4)
		at := weekday(today.AddDate(0, 0, ahead))
		ahead = max(ahead, int(at.Sub(today).Hours()/24))
		at = time.Date(at.Year(), at.Month(), at.Day(), d.Between(s.opens, s.ends-1), 15*d.Below(4), 0, 0, time.UTC)
		end := at.Add(2 * time.Hour)
		copy(v[slotDay+n*appointmentSlots:], []string{
			s.lang.day(at), at.Format(time.DateOnly), s.lang.clock(at), s.lang.clock(end),
			at.Format("15:04"), end.Format("15:04"), at.Format("2006-01-02T15:04"),
		})
	}
	for i := range s.choices {
		copy(v[s.choices[i].first:], dice.Pick(d, s.choices[i].values))
	}
}

// weekday returns the day, or the Monday after it if it is on a weekend.
func weekday(at time.Time) time.Time {
	switch at.Weekday() {
	case time.Saturday:
		return at.AddDate(0, 0, 2)
	case time.Sunday:
		return at.AddDate(0, 0, 1)
	default:
		return at
	}
}

// letter returns a random letter that is not mistaken for another on the phone.
func letter(d *dice.Dice) byte {
	return "ACDFHJKLRTVX"[d.Below(12)]
}

func two(n int) string {
	return string([]byte{'0' + byte(n/10%10), '0' + byte(n%10)})
}

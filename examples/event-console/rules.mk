# An Event Console rule pack for job_tracker, as Checkmk keeps rule packs: Python.  docs/event-console.md has the same
# rules as fields of the GUI, and how to put this file to use.
#
# Put in, at both places of the first rule: the host that events name (notification_host), here em.example.com.
# Another monitoring_servicename_prefix_without_spaces than job_ goes into the second rule.

rule_packs += [
    {
        "id": "job_tracker",
        "title": "job_tracker",
        "disabled": False,
        "rules": [
            # The dead-man switch: needs heartbeat_interval_in_sec, 60 for example; without it, leave this rule out.
            # It comes first, because the first rule that matches decides.
            {
                "id": "job_tracker_alive",
                "description": "job_tracker sends no heartbeat",
                "comment": "",
                "docu_url": "",
                "disabled": False,
                "sl": {"value": 0, "precedence": "message"},
                "state": 2,
                "actions": [],
                "cancel_actions": [],
                "cancel_action_phases": "always",
                "autodelete": False,
                "match_host": "^em\\.example\\.com$",
                "match_application": "^job_tracker$",
                "match": "^alive: ",
                "expect": {"interval": 300, "count": 1, "merge": "acked"},
                # What is raised for a message that did not come has neither host nor application of its own.
                "set_host": "em.example.com",
                "set_application": "job_tracker",
                # And nothing cancels it: it goes after an hour, and comes back where heartbeats are still missing.
                "livetime": (3600, ["open", "ack"]),
            },
            # Opens on priorities 0 to 4, and cancels on 5 what has the same host and application.
            {
                "id": "job_tracker_jobs",
                "description": "Batch jobs",
                "comment": "",
                "docu_url": "",
                "disabled": False,
                "sl": {"value": 0, "precedence": "message"},
                "state": -1,  # set by syslog: 0 to 3 CRIT, 4 WARN
                "actions": [],
                "cancel_actions": [],
                "cancel_action_phases": "always",
                "autodelete": False,
                "match_application": "^job_",
                # From the larger number to the smaller one.  The other way round the rule is put into no place of the
                # Event Console's rule hash, never opens anything, and the simulator still says that it matches.
                "match_priority": (4, 0),
                "cancel_priority": (5, 5),
                # One event per job, with state and text of the newest message, also where it was acknowledged.
                "count": {
                    "count": 1,
                    "period": 86400,
                    "algorithm": "interval",
                    "count_duration": None,
                    "count_ack": True,
                    "separate_host": True,
                    "separate_application": True,
                    "separate_match_groups": True,
                },
            },
        ],
    }
]

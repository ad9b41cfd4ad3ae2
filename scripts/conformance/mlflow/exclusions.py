"""Where muster differs from MLflow 3.18 on purpose; each with its reason. Everything else must be equal."""


def excluded(request, status, answer, own_status, own_answer):
    """The reason, or None."""
    code = answer.get("error_code") if isinstance(answer, dict) else None
    if status >= 500 and code != "INVALID_STATE":
        return "MLflow fails inside (5xx): muster answers a reasoned error or does what was asked"
    if code == "BAD_REQUEST" and "(sqlite3." in answer["message"]:
        return "MLflow shows its database's error: muster takes the last of a key given twice"
    if request["name"] == "CreateRun" and status == 200 and own_status == 400:
        return "a new run's tags have keys of at most 250 characters"
    own_message = own_answer.get("message", "") if isinstance(own_answer, dict) else ""
    if own_status == 400 and "Hint: Value was of type" in own_message:
        return ("a value of a wrong type: MLflow drops it and the fields after it when its schema has no rule "
                "for it; muster refuses it")
    return None

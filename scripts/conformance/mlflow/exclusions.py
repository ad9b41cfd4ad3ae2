"""Where muster differs from MLflow 3.18 on purpose; each with its reason. Everything else must be equal."""

RANDOM = {"SearchRuns": ("run_id", "artifact_uri", "run_name"),
          "SearchLoggedModels": ("model_id", "source_run_id", "name")}
LONGEST_TAG = 8_000
EVERYWHERE = ("SearchExperiments", "SearchRegisteredModels", "SearchModelVersions")


def excluded(request, status, answer, own_status, own_answer):
    """The reason, or None."""
    code = answer.get("error_code") if isinstance(answer, dict) else None
    message, own_message = (str(a.get("message", "")) if isinstance(a, dict) else "" for a in (answer, own_answer))
    both_refuse = status == own_status == 400
    if status >= 500 and code != "INVALID_STATE":
        return "MLflow fails inside (5xx): muster answers a reasoned error or does what was asked"
    if code == "BAD_REQUEST" and "(sqlite3." in message:
        return "MLflow shows its database's error: muster takes the last of a key given twice"
    if request["name"] == "CreateRun" and status == 200 and own_status == 400:
        return "a new run's tags have keys of at most 250 characters"
    if own_status == 400 and "Hint: Value was of type" in own_message:
        return ("a value of a wrong type: MLflow drops it and the fields after it when its schema has no rule "
                "for it; muster refuses it")
    if status in (308, 404) and isinstance(answer, str):
        return "MLflow has no route for a key with a slash in a path (an HTML page): muster does what was asked"
    if status == own_status == 200 and any(made_up in order for order in orders(request)
                                           for made_up in RANDOM.get(request["name"], ())):
        return "in the order of random ids and names"
    if (request["name"] in EVERYWHERE and status == own_status == 200
            and not (isinstance(fields(request).get("filter"), str) and fields(request)["filter"])):
        return "a search without a filter finds what other sequences made, too"
    if own_message.startswith("Unknown model status") and status == 200:
        return "MLflow gives a logged model an unknown status (UNSPECIFIED); muster refuses it"
    if request["name"] == "CreateModelVersion" and own_message.startswith("Logged model with ID"):
        return "a version of a logged model that is not there: MLflow looks at that last, and keeps what it then refuses"
    if request["name"] == "SearchLoggedModels" and status == own_status == 200 and any(
            "dataset_digest" not in dataset for dataset in fields(request).get("datasets") or []):
        return "a dataset without a digest: MLflow's server then finds nothing (= NULL); muster takes any digest"
    if both_refuse and ("Invalid clause(s) in filter string" in message + own_message
                        or message.startswith("Invalid filter string: ")
                        or "in order_by clause" in own_message and "Could not be parsed" in message):
        return "of a text that both refuse, MLflow lists the pieces that its SQL library makes of it"
    if request["name"] == "SearchLoggedModels" and "got different type in list" in own_message:
        return "MLflow compares logged models with a list that has numbers in it, and finds none; muster refuses it"
    if status in (400, 404) and own_status == 400 and any(text in message for text in (
            "'NoneType'", "Run with id=", "must be in the 'active' state", "Parameter 'version' must be an integer")):
        return "of two things wrong in one request, muster names the other"
    if request["name"] == "SearchLoggedModels" and both_refuse and own_message.startswith("Invalid attribute key"):
        return "MLflow looks for an unknown attribute after it has read the whole filter, and then fails inside"
    if both_refuse and len(message) > LONGEST_TAG:
        return "a text with a value of more than 8,000 characters in it, which muster cuts"
    if request["name"] == "SearchLoggedModels" and "for parameter 'max_results'" in own_message:
        return "a page has 1 to 50,000 logged models, as one of runs"
    return None


def fields(request):
    return request["body"] or request["query"] or {}


def orders(request):
    found = fields(request).get("order_by") or []
    return [str(order) for order in found] if isinstance(found, list) else []

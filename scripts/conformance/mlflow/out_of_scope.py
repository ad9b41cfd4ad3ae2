"""Which of MLflow's own tests say nothing about muster, each with its reason. Everything else must pass.

The tests are of another version of MLflow than the client and server (3.18.0) that muster follows: "older" are those that
MLflow 3.18.0's own server fails, too.
"""

import re

OLDER = "older than 3.18: MLflow 3.18.0 itself fails it, "
RULES = [(re.compile(pattern), reason) for pattern, reason in [
    # --- what muster has not
    (r"trace|_spans_|assessments|test_clear_active_model$", "traces"),
    (r"graphql", "GraphQL"),
    (r"test_rest_tracking.py::test_(.*(secret|endpoint|gateway)|model_definitions|update_model_definition"
     r"|list_(providers|models)$|get_provider_config)", "the AI gateway: secrets, endpoints, providers"),
    (r"evaluation_dataset|(add|remove)_(dataset|multiple|experiments)|dataset_experiment|experiments_rest_tracking"
     r"|experiments_at_once", "evaluation datasets of GenAI"),
    (r"scorer|scoring", "scorers of GenAI"),
    (r"_issues?(_|\[|$)", "issues of GenAI"),
    (r"promptlab", "the prompt lab"),
    # --- what a server cannot show
    (r"bad_names|bad_name_types|test_tracking.py::test_create_experiment$|test_log_metric_validation$"
     r"|entity_names_and_values|log_metric_async_throws",
     "checks of MLflow's store in its own process: over REST the client's own types refuse the value before it is sent"),
    (r"uri_path_component_correctly\[mysql\+|appends_to_local_path_component_correctly$",
     "a location with a fragment: MLflow's server refuses it, its store in its own process does not"),
    (r"non_root_working_directory", "a relative location is below the server's folder, not the test's"),
    (r"initialize_logged_model_active_run", "None in MLflow's store is \"\" over REST, with MLflow's server, too"),
    (r"test_mlflow_artifacts.py::test_(mlflow_artifacts_rest_apis|log_artifact)$",
     "reads files in the artifact folder: muster keeps them there by content"),
    (r"proxied_artifact_root$", "writes into MLflow's database file, and a file into its artifact folder"),
    # --- what this machine or version has not
    (r"validation_regex", "starts MLflow's server by its command line with an option of its own"),
    (r"test_mlflow_artifacts_example", "needs docker"),
    (r"register_model_with_2_x_model", "needs uv and the internet"),
    (r"spark_conf", "needs Spark"),
    (r"test_start_run_(defaults|creates_new_run_with_user_specified_tags|with_description)|tags_from_context",
     OLDER + "a function that it replaces is gone"),
    (r"bulk_interval_respects_max_results", OLDER + "which samples by rows"),
    (r"non_local_source|test_model_registry.py::test_(create_and_query_model_version_flow|get_model_version"
     r"|update_model_version_flow|delete_model_version_flow|set_delete_model_version_tag_flow"
     r"|set_model_version_tag_with_empty|set_delete_registered_model_alias|copy_model_version_flow)",
     OLDER + "which takes a version's source only from the run that it names"),
    (r"upload_artifact_handler_rejects", OLDER + "whose text has another word"),
]]


def reason_of(nodeid):
    """The reason, or None."""
    test = nodeid.removeprefix("tests/")
    for pattern, reason in RULES:
        if pattern.search(test):
            return reason
    return None

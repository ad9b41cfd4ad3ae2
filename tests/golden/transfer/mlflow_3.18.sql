CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('f4a9b2c7d1e6');
CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "datasets" VALUES('70045434faec4bbda7a201a95abb929c',1,'train','abc','local','/tmp/x','{"a":1}',NULL);
CREATE TABLE "experiment_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	experiment_id INTEGER NOT NULL, 
	CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO "experiment_tags" VALUES('team','a b',1);
INSERT INTO "experiment_tags" VALUES('π','3.14',1);
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','mlflow-artifacts:/0','active',1795724425083,1795724425083,'default');
INSERT INTO "experiments" VALUES(1,'speech/öäü','mlflow-artifacts:/1','active',1795724439016,1795724439016,'default');
INSERT INTO "experiments" VALUES(2,'gone','mlflow-artifacts:/2','deleted',1795724439063,1795724440663,'default');
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO "input_tags" VALUES('19f9a8e2b2394650b40f1edfb129a8de','mlflow.data.context','training');
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO "inputs" VALUES('19f9a8e2b2394650b40f1edfb129a8de','DATASET','70045434faec4bbda7a201a95abb929c','RUN','c374d2352e5a488a864263e58b08bede',0);
INSERT INTO "inputs" VALUES('f362e1eabfdd4ad9845e089f54686a47','RUN_OUTPUT','c374d2352e5a488a864263e58b08bede','MODEL_OUTPUT','m-98a5501496744c08a5153c9cd4f24ed1',4);
INSERT INTO "inputs" VALUES('2968ebca2a1e41f1b1d6ebe2eb534947','RUN_INPUT','3a734237f9104f93ae5126969a03532b','MODEL_INPUT','m-98a5501496744c08a5153c9cd4f24ed1',0);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "latest_metrics" VALUES('loss',3.33333333333333328707e-02,1700000000029,29,0,'c374d2352e5a488a864263e58b08bede');
INSERT INTO "latest_metrics" VALUES('nan',0.0,5,1,1,'c374d2352e5a488a864263e58b08bede');
INSERT INTO "latest_metrics" VALUES('inf',1.79769313486231562234e+308,5,1,0,'c374d2352e5a488a864263e58b08bede');
INSERT INTO "latest_metrics" VALUES('ninf',-1.79769313486231562234e+308,5,1,0,'c374d2352e5a488a864263e58b08bede');
INSERT INTO "latest_metrics" VALUES('acc',0.95,8,5,0,'c374d2352e5a488a864263e58b08bede');
INSERT INTO "latest_metrics" VALUES('x',1.0,9,0,0,'ad6e534b5fe64c0d9a921bf3871fb46c');
CREATE TABLE logged_model_metrics (
	model_id VARCHAR(36) NOT NULL, 
	metric_name VARCHAR(500) NOT NULL, 
	metric_timestamp_ms BIGINT NOT NULL, 
	metric_step BIGINT NOT NULL, 
	metric_value FLOAT, 
	experiment_id INTEGER NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	dataset_uuid VARCHAR(36), 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
	CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
	CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
INSERT INTO "logged_model_metrics" VALUES('m-98a5501496744c08a5153c9cd4f24ed1','acc',7,4,0.9,1,'c374d2352e5a488a864263e58b08bede',NULL,'train','abc');
INSERT INTO "logged_model_metrics" VALUES('m-98a5501496744c08a5153c9cd4f24ed1','acc',8,5,0.95,1,'c374d2352e5a488a864263e58b08bede',NULL,NULL,NULL);
CREATE TABLE logged_model_params (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	param_key VARCHAR(255) NOT NULL, 
	param_value TEXT NOT NULL, 
	CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
	CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO "logged_model_params" VALUES('m-98a5501496744c08a5153c9cd4f24ed1',1,'depth','3');
CREATE TABLE logged_model_tags (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	tag_key VARCHAR(255) NOT NULL, 
	tag_value TEXT NOT NULL, 
	CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
	CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO "logged_model_tags" VALUES('m-98a5501496744c08a5153c9cd4f24ed1',1,'a','b');
INSERT INTO "logged_model_tags" VALUES('m-98a5501496744c08a5153c9cd4f24ed1',1,'mlflow.modelVersions','[{"name": "digits", "version": 1}, {"name": "digits", "version": 2}, {"name": "digits", "version": 3}]');
CREATE TABLE logged_models (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	artifact_location VARCHAR(1000) NOT NULL, 
	creation_timestamp_ms BIGINT NOT NULL, 
	last_updated_timestamp_ms BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	lifecycle_stage VARCHAR(32), 
	model_type VARCHAR(500), 
	source_run_id VARCHAR(32), 
	status_message VARCHAR(1000), 
	CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
	CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "logged_models" VALUES('m-98a5501496744c08a5153c9cd4f24ed1',1,'m1','mlflow-artifacts:/1/models/m-98a5501496744c08a5153c9cd4f24ed1/artifacts',1795724439703,1795724440081,2,'active','Agent','c374d2352e5a488a864263e58b08bede',NULL);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('loss',1.0,1700000000000,'c374d2352e5a488a864263e58b08bede',0,0);
INSERT INTO "metrics" VALUES('loss',0.5,1700000000001,'c374d2352e5a488a864263e58b08bede',1,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1700000000002,'c374d2352e5a488a864263e58b08bede',2,0);
INSERT INTO "metrics" VALUES('loss',0.25,1700000000003,'c374d2352e5a488a864263e58b08bede',3,0);
INSERT INTO "metrics" VALUES('loss',0.2,1700000000004,'c374d2352e5a488a864263e58b08bede',4,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1700000000005,'c374d2352e5a488a864263e58b08bede',5,0);
INSERT INTO "metrics" VALUES('loss',1.42857142857142849212e-01,1700000000006,'c374d2352e5a488a864263e58b08bede',6,0);
INSERT INTO "metrics" VALUES('loss',0.125,1700000000007,'c374d2352e5a488a864263e58b08bede',7,0);
INSERT INTO "metrics" VALUES('loss',1.11111111111111104943e-01,1700000000008,'c374d2352e5a488a864263e58b08bede',8,0);
INSERT INTO "metrics" VALUES('loss',0.1,1700000000009,'c374d2352e5a488a864263e58b08bede',9,0);
INSERT INTO "metrics" VALUES('loss',9.09090909090909116141e-02,1700000000010,'c374d2352e5a488a864263e58b08bede',10,0);
INSERT INTO "metrics" VALUES('loss',8.33333333333333287074e-02,1700000000011,'c374d2352e5a488a864263e58b08bede',11,0);
INSERT INTO "metrics" VALUES('loss',7.6923076923076927347e-02,1700000000012,'c374d2352e5a488a864263e58b08bede',12,0);
INSERT INTO "metrics" VALUES('loss',7.14285714285714246063e-02,1700000000013,'c374d2352e5a488a864263e58b08bede',13,0);
INSERT INTO "metrics" VALUES('loss',6.66666666666666657414e-02,1700000000014,'c374d2352e5a488a864263e58b08bede',14,0);
INSERT INTO "metrics" VALUES('loss',0.0625,1700000000015,'c374d2352e5a488a864263e58b08bede',15,0);
INSERT INTO "metrics" VALUES('loss',5.8823529411764705066e-02,1700000000016,'c374d2352e5a488a864263e58b08bede',16,0);
INSERT INTO "metrics" VALUES('loss',5.55555555555555524716e-02,1700000000017,'c374d2352e5a488a864263e58b08bede',17,0);
INSERT INTO "metrics" VALUES('loss',5.26315789473684181309e-02,1700000000018,'c374d2352e5a488a864263e58b08bede',18,0);
INSERT INTO "metrics" VALUES('loss',0.05,1700000000019,'c374d2352e5a488a864263e58b08bede',19,0);
INSERT INTO "metrics" VALUES('loss',4.76190476190476164042e-02,1700000000020,'c374d2352e5a488a864263e58b08bede',20,0);
INSERT INTO "metrics" VALUES('loss',4.5454545454545455807e-02,1700000000021,'c374d2352e5a488a864263e58b08bede',21,0);
INSERT INTO "metrics" VALUES('loss',4.34782608695652161845e-02,1700000000022,'c374d2352e5a488a864263e58b08bede',22,0);
INSERT INTO "metrics" VALUES('loss',4.16666666666666643537e-02,1700000000023,'c374d2352e5a488a864263e58b08bede',23,0);
INSERT INTO "metrics" VALUES('loss',0.04,1700000000024,'c374d2352e5a488a864263e58b08bede',24,0);
INSERT INTO "metrics" VALUES('loss',3.84615384615384636735e-02,1700000000025,'c374d2352e5a488a864263e58b08bede',25,0);
INSERT INTO "metrics" VALUES('loss',3.7037037037037034981e-02,1700000000026,'c374d2352e5a488a864263e58b08bede',26,0);
INSERT INTO "metrics" VALUES('loss',3.57142857142857123031e-02,1700000000027,'c374d2352e5a488a864263e58b08bede',27,0);
INSERT INTO "metrics" VALUES('loss',3.44827586206896546938e-02,1700000000028,'c374d2352e5a488a864263e58b08bede',28,0);
INSERT INTO "metrics" VALUES('loss',3.33333333333333328707e-02,1700000000029,'c374d2352e5a488a864263e58b08bede',29,0);
INSERT INTO "metrics" VALUES('loss',0.5,1700000000005,'c374d2352e5a488a864263e58b08bede',-3,0);
INSERT INTO "metrics" VALUES('nan',0.0,5,'c374d2352e5a488a864263e58b08bede',1,1);
INSERT INTO "metrics" VALUES('inf',1.79769313486231562234e+308,5,'c374d2352e5a488a864263e58b08bede',1,0);
INSERT INTO "metrics" VALUES('ninf',-1.79769313486231562234e+308,5,'c374d2352e5a488a864263e58b08bede',1,0);
INSERT INTO "metrics" VALUES('acc',0.9,7,'c374d2352e5a488a864263e58b08bede',4,0);
INSERT INTO "metrics" VALUES('acc',0.95,8,'c374d2352e5a488a864263e58b08bede',5,0);
INSERT INTO "metrics" VALUES('x',1.0,9,'ad6e534b5fe64c0d9a921bf3871fb46c',0,0);
CREATE TABLE "model_version_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_tag_pk PRIMARY KEY (workspace, "key", name, version), 
	CONSTRAINT fk_model_version_tags_model_versions FOREIGN KEY(workspace, name, version) REFERENCES model_versions (workspace, name, version) ON UPDATE CASCADE
);
INSERT INTO "model_version_tags" VALUES('x','y','digits',1,'default');
CREATE TABLE "model_versions" (
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	user_id VARCHAR(256), 
	current_stage VARCHAR(20), 
	source VARCHAR(500), 
	run_id VARCHAR(32), 
	status VARCHAR(20), 
	status_message VARCHAR(500), 
	run_link VARCHAR(500), 
	storage_location VARCHAR(500), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_pk PRIMARY KEY (workspace, name, version), 
	CONSTRAINT fk_model_versions_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
INSERT INTO "model_versions" VALUES('digits',1,1795724441074,1795724441074,'one',NULL,'None','models:/m-98a5501496744c08a5153c9cd4f24ed1','c374d2352e5a488a864263e58b08bede','READY',NULL,'','mlflow-artifacts:/1/models/m-98a5501496744c08a5153c9cd4f24ed1/artifacts','default');
INSERT INTO "model_versions" VALUES('digits',2,1795724441172,1795724441396,NULL,NULL,'Deleted_Internal','REDACTED-SOURCE-PATH','REDACTED-RUN-ID','READY',NULL,'REDACTED-RUN-LINK','mlflow-artifacts:/1/models/m-98a5501496744c08a5153c9cd4f24ed1/artifacts','default');
INSERT INTO "model_versions" VALUES('digits',3,1795724441262,1795724441584,'',NULL,'Staging','models:/m-98a5501496744c08a5153c9cd4f24ed1','c374d2352e5a488a864263e58b08bede','READY',NULL,'','mlflow-artifacts:/1/models/m-98a5501496744c08a5153c9cd4f24ed1/artifacts','default');
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('lr','0.1','c374d2352e5a488a864263e58b08bede');
INSERT INTO "params" VALUES('empty','','c374d2352e5a488a864263e58b08bede');
INSERT INTO "params" VALUES('ü/ä','x,y','c374d2352e5a488a864263e58b08bede');
INSERT INTO "params" VALUES('p','1','91a3f8e2003b4d27959faf0e28f35806');
CREATE TABLE "registered_model_aliases" (
	alias VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_alias_pk PRIMARY KEY (workspace, name, alias), 
	CONSTRAINT fk_registered_model_aliases_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "registered_model_aliases" VALUES('champion',1,'digits','default');
CREATE TABLE "registered_model_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_tag_pk PRIMARY KEY (workspace, "key", name), 
	CONSTRAINT fk_registered_model_tags_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
INSERT INTO "registered_model_tags" VALUES('k','v','digits','default');
CREATE TABLE "registered_models" (
	name VARCHAR(256) NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_pk PRIMARY KEY (workspace, name)
);
INSERT INTO "registered_models" VALUES('digits',1795724440932,1795724441584,'D','default');
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('c374d2352e5a488a864263e58b08bede','first','UNKNOWN','','','ann','FINISHED',1795724439085,1700000099999,'','active','mlflow-artifacts:/1/c374d2352e5a488a864263e58b08bede/artifacts',1,NULL);
INSERT INTO "runs" VALUES('3a734237f9104f93ae5126969a03532b','reader','UNKNOWN','','','unknown','RUNNING',1795724440207,NULL,'','active','mlflow-artifacts:/1/3a734237f9104f93ae5126969a03532b/artifacts',1,NULL);
INSERT INTO "runs" VALUES('ad6e534b5fe64c0d9a921bf3871fb46c','deleted','UNKNOWN','','','unknown','RUNNING',1795724440342,NULL,'','deleted','mlflow-artifacts:/1/ad6e534b5fe64c0d9a921bf3871fb46c/artifacts',1,1795724440492);
INSERT INTO "runs" VALUES('91a3f8e2003b4d27959faf0e28f35806','of gone','UNKNOWN','','','unknown','RUNNING',1795724440528,NULL,'','deleted','mlflow-artifacts:/2/91a3f8e2003b4d27959faf0e28f35806/artifacts',2,1795724440674);
INSERT INTO "runs" VALUES('8d41d3e1851f42028f75c45a39277abd','of default','UNKNOWN','','','unknown','FAILED',1795724440710,1795724440776,'','active','mlflow-artifacts:/0/8d41d3e1851f42028f75c45a39277abd/artifacts',0,NULL);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "tags" VALUES('mlflow.user','ann','c374d2352e5a488a864263e58b08bede');
INSERT INTO "tags" VALUES('note','two
lines, "q"','c374d2352e5a488a864263e58b08bede');
INSERT INTO "tags" VALUES('mlflow.runName','first','c374d2352e5a488a864263e58b08bede');
INSERT INTO "tags" VALUES('mlflow.runName','reader','3a734237f9104f93ae5126969a03532b');
INSERT INTO "tags" VALUES('mlflow.runName','deleted','ad6e534b5fe64c0d9a921bf3871fb46c');
INSERT INTO "tags" VALUES('mlflow.runName','of gone','91a3f8e2003b4d27959faf0e28f35806');
INSERT INTO "tags" VALUES('mlflow.runName','of default','8d41d3e1851f42028f75c45a39277abd');
CREATE TABLE "trace_info" (
	request_id VARCHAR(50) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	timestamp_ms BIGINT NOT NULL, 
	execution_time_ms BIGINT, 
	status VARCHAR(50) NOT NULL, 
	client_request_id VARCHAR(50), 
	request_preview VARCHAR(1000), 
	response_preview VARCHAR(1000), 
	db_payload_generation INTEGER DEFAULT '0' NOT NULL, trace_name VARCHAR(4096), session_id VARCHAR(250), input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT, cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT, cache_creation_input_tokens_above_1hr BIGINT, input_cost FLOAT, output_cost FLOAT, total_cost FLOAT, 
	CONSTRAINT trace_info_pk PRIMARY KEY (request_id), 
	CONSTRAINT fk_trace_info_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);

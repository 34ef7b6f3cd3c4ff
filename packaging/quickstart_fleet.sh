# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # $dir and $source are quickstart.sh's
#
# The second act of quickstart.sh, which reads this file: a controller on loopback, and AWS's own command line rolls a
# revision over simulated hosts.

controller_url=
controller_pid=
fleet_pid=

# Ends a child of ours and waits for it.
end_child() {
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || return 0
}

stop_fleet() {
    end_child "$fleet_pid"
    end_child "$controller_pid"
    fleet_pid=
    controller_pid=
}

# What is left from a run that was cut off would only be in the way.
make_controller() {
    rm -rf --one-file-system "$dir/controller" "$dir/fleet"
    mkdir -p "$dir/fleet"
    controller_port=$(free_port)
    controller_url=https://localhost:$controller_port
    run 0 droverd init "$dir/controller" --name localhost --listen "127.0.0.1:$controller_port"
}

start_controller() {
    echo "\$ droverd run --config \$DIR/controller/droverd.yml &"
    droverd run --config "$dir/controller/droverd.yml" 2>"$dir/controller.log" &
    controller_pid=$!
    tries=100
    until curl --silent --fail --max-time 2 --noproxy '*' --cacert "$dir/controller/ca.pem" --output /dev/null \
        "$controller_url/healthz"; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ] || ! kill -0 "$controller_pid" 2>/dev/null; then
            cat "$dir/controller.log" >&2
            die "the controller does not answer at $controller_url"
        fi
        sleep 0.1
    done
}

# What AWS's command line needs to know, as an administrator would put it into a profile; and nothing of root's own.
point_aws_here() {
    export AWS_SHARED_CREDENTIALS_FILE="$dir/controller/admin.credentials" AWS_PROFILE=drover
    export AWS_CA_BUNDLE="$dir/controller/ca.pem" AWS_CONFIG_FILE="$dir/fleet/aws.config" AWS_PAGER=
    printf '[profile drover]\nregion = local\n' >"$AWS_CONFIG_FILE"
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_DEFAULT_REGION
    aws=/usr/bin/aws
    [ -x "$aws" ] || aws=aws
}

ask_aws() {
    no_proxy='*' "$aws" deploy "$@" --endpoint-url "$controller_url"
}

# Shows a call as one would type it, and what comes back.
aws_deploy() {
    printf '$ aws deploy'
    printf ' %s' "$@"
    printf ' --endpoint-url %s\n' "$controller_url"
    ask_aws "$@" || die "that failed"
}

start_hosts() {
    run 0 fake-host setup --endpoint "$controller_url" --ca "$dir/controller/ca.pem" \
        --credentials "$dir/controller/admin.credentials" --out "$dir/fleet/hosts" --count "$1" --tag role=web
    cat >"$dir/fleet/scenario.json" <<'END'
{"manners": [{"kind": "native", "wait_ms": 50, "probe": false}],
 "rules": [{"delay_ms": [200, 400]},
           {"revisions": "*broken*", "events": "ValidateService", "result": "fail", "code": 4,
            "script": "scripts/validate.sh", "message": "scripts/validate.sh failed with exit code 22",
            "log": "curl: (22) The requested URL returned error: 500"}]}
END
    fake-host run --endpoint "$controller_url" --ca "$dir/controller/ca.pem" --hosts "$dir/fleet/hosts" \
        --scenario "$dir/fleet/scenario.json" --record "$dir/fleet/record" >"$dir/fleet/log" 2>&1 &
    fleet_pid=$!
}

# create_deployment REVISION sets $deployment.
create_deployment() {
    set -- create-deployment --application-name shop --deployment-group-name prod \
        --s3-location "bucket=releases,key=shop/$1.tgz,bundleType=tgz"
    printf '$ aws deploy'
    printf ' %s' "$@"
    printf ' --endpoint-url %s\n' "$controller_url"
    deployment=$(ask_aws "$@" --query deploymentId --output text) || die "that failed"
    echo "$deployment"
}

# follow DEPLOYMENT STATUS: each change of the counts, to the end, which must be that status.
follow() {
    seen=
    tries=600
    while :; do
        now=$(ask_aws get-deployment --deployment-id "$1" --output text --query \
            'deploymentInfo.[status,deploymentOverview.[Pending,InProgress,Succeeded,Failed,Skipped]]' | tr '\n\t' '  ')
        # shellcheck disable=SC2086 # six words
        set -- "$1" "$2" $now
        [ "$now" = "$seen" ] || echo "$1 $3: $4 pending, $5 in progress, $6 succeeded, $7 failed, $8 skipped"
        seen=$now
        case $3 in
        Succeeded | Failed | Stopped) break ;;
        esac
        set -- "$1" "$2"
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || die "$1 does not end"
    done
    [ "$3" = "$2" ] || die "$1 is $3, and should be $2"
}

show_fleet() {
    step "Now a controller: keys, certificates and its configuration are made in one go"
    make_controller
    step "Start it, and eight simulated hosts that poll it as AWS's agent does"
    start_controller
    point_aws_here
    start_hosts 8
    step "AWS's own command line makes an application, and a group of the hosts with the tag role=web"
    aws_deploy create-application --application-name shop
    aws_deploy create-deployment-group --application-name shop --deployment-group-name prod \
        --deployment-config-name CodeDeployDefault.HalfAtATime \
        --on-premises-instance-tag-filters Key=role,Value=web,Type=KEY_AND_VALUE \
        --auto-rollback-configuration enabled=true,events=DEPLOYMENT_FAILURE \
        --service-role-arn arn:aws:iam::000000000000:role/deployer
    step "Roll a revision over them: never more than half at a time"
    create_deployment 1.0.0
    follow "$deployment" Succeeded
    step "Another one, which fails its own check on every host: it is stopped, and rolled back where it was tried"
    create_deployment 2.0.0-broken
    follow "$deployment" Failed
    aws_deploy get-deployment --deployment-id "$deployment" --query \
        'deploymentInfo.[errorInformation.message,rollbackInfo.rollbackDeploymentId]' --output text
    rollback=$(ask_aws get-deployment --deployment-id "$deployment" --output text --query \
        deploymentInfo.rollbackInfo.rollbackDeploymentId)
    follow "$rollback" Succeeded
    aws_deploy get-deployment --deployment-id "$rollback" --output text --query \
        'deploymentInfo.[rollbackInfo.rollbackMessage,revision.s3Location.key]'
}

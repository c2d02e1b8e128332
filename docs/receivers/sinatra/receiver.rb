# A receiver with Sinatra: verifies, answers at once, works later, and does nothing twice.
#
#   gem install sinatra rackup webrick && SECRET=… PORT=9000 ruby receiver.rb

require 'base64'
require 'fileutils'
require 'json'
require 'openssl'
require 'securerandom'
require 'sinatra/base'

SECRET = ENV.fetch('SECRET')
KEY = SECRET.start_with?('whsec_') ? Base64.decode64(SECRET.delete_prefix('whsec_')) : SECRET
FOLDER = ENV.fetch('FOLDER', 'received')
WAITING = Queue.new
%w[events done].each { |name| FileUtils.mkdir_p("#{FOLDER}/#{name}") }

# Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one.
def valid?(id, time, signatures, body)
  mac = OpenSSL::HMAC.digest('SHA256', KEY, "#{id}.#{time}.".b + body)
  expected = "v1,#{Base64.strict_encode64(mac)}"
  fits = signatures.split.any? { |given| Rack::Utils.secure_compare(given.b, expected.b) }
  id.match?(/\A\w+\z/) && (Time.now.to_i - time.to_i).abs < 300 && fits
end

# Whole or not at all, and only once: a link to a name that is taken fails.
def keep(id, body)
  temporary = "#{FOLDER}/#{SecureRandom.hex}"
  File.binwrite(temporary, body)
  File.link(temporary, "#{FOLDER}/events/#{id}")
  true
rescue Errno::EEXIST
  false
ensure
  FileUtils.rm_f(temporary)
end

def work(id)
  event = JSON.parse(File.read("#{FOLDER}/events/#{id}"))
  puts "worked #{id} #{event['event']}" # Open the ticket, ask the other service: here it may take its time.
  FileUtils.touch("#{FOLDER}/done/#{id}")
end

$stdout.sync = true
(Dir.children("#{FOLDER}/events") - Dir.children("#{FOLDER}/done")).each { |id| WAITING << id }
Thread.new { loop { work(WAITING.pop) } }

class Receiver < Sinatra::Base
  set :server, 'webrick'
  set :port, ENV.fetch('PORT', 9000)

  post '/' do
    body = request.body.read
    id, time, signatures = %w[ID TIMESTAMP SIGNATURE].map { |name| request.env["HTTP_WEBHOOK_#{name}"].to_s }
    halt 401 unless valid?(id, time, signatures, body)
    WAITING << id if keep(id, body)
    204
  end
end

Receiver.run!
